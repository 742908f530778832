"""What the daemon runs on beside its core.

background   lines written by a thread of their own, so that nothing waits for a disk
name_lock    one daemon for one output name
metrics      what is counted, for Prometheus
systemd      the unit, and what the daemon tells systemd
json_log     log records as lines of JSON
repeats      keeps a warning that comes again and again from filling the log
"""
