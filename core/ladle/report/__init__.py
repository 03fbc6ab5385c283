def write_report(run, store):
    pass
