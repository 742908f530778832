"""Reads recording files: XDF, EDF, BDF, FIF and SET → Recording.

recording    what a reader gives, whatever the format
files        which files are recordings
reading      which reader takes a file
xdf          of an XDF file's streams the EEG
streams      … all of them, as they were recorded (pyxdf)
events       … those that tell events, as markers
chunks       … which chunks of the file are whole
edf          EDF and BDF
edf_header   … their headers
tals         … their annotations (time-stamped annotation lists)
record_times … when each of their records began, and so their gaps
fif          FIF (MNE)
tags         … is the file whole, and which part of a recording is it?
eeglab       SET, of EEGLAB (pymatreader)
matlab       … is the file whole?
integrity    is a file whole, packed or not?
triggers     which channels hold codes, and the codes as markers
boundaries   where a FIF or SET file's samples do not follow each other in time
complaints   what the libraries complain of, as one line
"""
