"""Programs that watch a daemon as LSL clients: a page in the browser, a view in the terminal.

observer      markers, EEG and metrics of a daemon, as they come
announcement  what a daemon says of itself, and its markers
scrape        its metrics, asked for once in a while
traces        the last seconds of EEG, fit to be looked at
standing      how things stand: one state in plain words, and the facts beside it
session       what both views do before and after
page/         in the browser
watch         in the terminal
"""
