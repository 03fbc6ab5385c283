"""Supervised trainers for ladle."""

from __future__ import annotations

from ladle import hookimpl

__version__ = "0.1.0"


@hookimpl
def ladle_trainers() -> dict[str, str]:
    return {
        "instruction-tuning": "ladle_supervised.instruct:InstructionTuning",
        "sequence-to-sequence": "ladle_supervised.seq2seq:SequenceToSequence",
        "text-classification": "ladle_supervised.text:TextClassification",
        "text-regression": "ladle_supervised.text_regression:TextRegression",
        "token-classification": "ladle_supervised.token_classification:TokenClassification",
        "question-answering": "ladle_supervised.question_answering:QuestionAnswering",
        "tabular-classification": "ladle_supervised.tabular:TabularClassification",
        "tabular-regression": "ladle_supervised.tabular_regression:TabularRegression",
    }
