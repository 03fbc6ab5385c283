"""Tables: features of number and category columns (scaling, bins, one-hot and ordinal codes), and joins."""

from __future__ import annotations

from ladle import hookimpl

__version__ = "0.1.0"


@hookimpl
def ladle_data_sources() -> dict[str, str]:
    return {"join": "ladle_tabular.joining:Join"}


@hookimpl
def ladle_feature_extractors() -> dict[str, str]:
    return {
        "bins": "ladle_tabular.binning:Bins",
        "scale": "ladle_tabular.scaling:Scale",
        "one-hot": "ladle_tabular.onehot:OneHot",
        "ordinal": "ladle_tabular.ordinal:Ordinal",
    }
