"""Features of texts: parts by a pattern, statistics and sentence embeddings."""

from __future__ import annotations

from ladle import hookimpl

__version__ = "0.1.0"


@hookimpl
def ladle_feature_extractors() -> dict[str, str]:
    return {
        "pattern": "ladle_text.pattern:Pattern",
        "text-statistics": "ladle_text.statistics:TextStatistics",
        "sentence-embedding": "ladle_text.embedding:SentenceEmbedding",
    }
