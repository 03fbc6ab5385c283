"""How each kind of stage does its work: rows from inputs, an outcome into a folder."""
