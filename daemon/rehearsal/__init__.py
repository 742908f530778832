"""Amplifiers without hardware: a simulated one, and recordings played as if they were live.

And what was published of them, checked afterwards.

simulator    synthetic EEG with known classes
rhythms      where its sources lie and what each class does to them
session      an XDF file with the EEG and what the daemon published of it
sources      the simulator or a recording as chunks that begin at time 0
faults       what can go wrong with an amplifier, and how it is written
disturbance  a timetable → the same one with faults
life         the simulator in a process of its own, from its start to its end
amplifier    one life after another, with faults as planned
replay       a source → LSL, on a schedule
scoring      a recording through the pipeline → predictions as CSV
runs         the pipeline over a recording from any sample on
verification every prediction of a session, recomputed
tracks       do the session's other two streams say what its markers say?
findings     what all that came to
truth        markers → the true class at every time
comparison   predictions against it: accuracy, delay, information
compared     that in words and for machines
"""
