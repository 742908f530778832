"""Reads recording files: XDF, EDF, BDF, FIF and SET → Recording.

recording    what a reader gives, whatever the format
reading      which reader takes a file
xdf          the streams of an XDF file, and of them the EEG and the markers (pyxdf)
edf          EDF and BDF, with edf_header, tals (their annotations) and record_times (their gaps)
fif          FIF (MNE)
eeglab       SET, of EEGLAB
matlab       is a SET file whole?
integrity    is an XDF or FIF file whole?
triggers     which channels hold codes, and the codes as markers
boundaries   where a FIF or SET file's samples do not follow each other in time
complaints   what the libraries complain of, as one line
"""
