"""What is done with finished recordings and sessions.

session              an XDF file with the EEG and what the daemon published of it
runs                 the pipeline over a recording, from any sample on
verification         every prediction of a session, recomputed
tracks               whether the session's other two streams say what its markers say
verification_report  what all that came to
scoring              a recording through the pipeline → predictions as CSV
ground_truth         markers → the true class at every time
performance          predictions against it: accuracy, delay, information
performance_report   that in words and for machines
"""
