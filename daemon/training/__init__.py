"""From recordings to a model bundle, and how far to believe it.

settings     training.yaml, validated
trials       where in a recording the EEG of each class lies
stretches    a recording → what the daemon would have given a model
dataset      both → ``windows`` with their classes
splits       which windows train, which stop the training, which judge it
recipe       how an encoder is trained, where the file says nothing
recurrence   an LSTM over batches of windows, made to be trained
encoder      both encoders in that form, and from there to the source's own
start        first weights that already are a classifier
examples     the windows that one training sees, and its batches
step         one batch: loss, gradients, Adam
fit          windows with their classes → a trained encoder
checkpoint   a training as it stands after an epoch
members      several encoders → one that answers their mean
trained      what comes of one fold
baseline     band power and a linear discriminant
coincidence  do the classes coincide with recordings or blocks?
scores       how good answers are
signflip     is one better than another?
evaluation   what they are worth on left-out data
figures      all of that
verdict      that in a line
report       that, for people
pictures     its pictures
bundling     all that a bundle holds
train        ``eegd train``, from the first to the last of these
speed        how long a training step takes, against ``model.fit``
simulated    simulated EEG to learn from, and to be examined on
demo_model   the demo's encoder, from the first weight to the bundle
"""
