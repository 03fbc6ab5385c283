def write_report(run: object, store: object) -> None:
    pass
