"""Amplifiers without hardware: a simulated one, and recordings played as if they were live.

simulator    synthetic EEG with known classes
rhythms      where its sources lie and what each class does to them
sources      the simulator or a recording as chunks that begin at time 0
faults       what can go wrong with an amplifier, and how it is written
disturbance  a timetable → the same one with faults
life         the simulator in a process of its own, from its start to its end
amplifier    one life after another, with faults as planned
replay       a source → LSL, on a schedule
demo         amplifier, daemon and page in one command
"""
