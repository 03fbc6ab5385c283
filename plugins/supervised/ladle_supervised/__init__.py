"""Supervised trainers for ladle."""

from __future__ import annotations

from ladle import hookimpl

__version__ = "0.1.0"


@hookimpl
def ladle_trainers() -> dict[str, str]:
    return {
        "instruction-tuning": "ladle_supervised.chat.instruct:InstructionTuning",
        "sequence-to-sequence": "ladle_supervised.sequences.seq2seq:SequenceToSequence",
        "text-classification": "ladle_supervised.texts.classification:TextClassification",
        "text-regression": "ladle_supervised.texts.regression:TextRegression",
        "token-classification": "ladle_supervised.tokens.classification:TokenClassification",
        "question-answering": "ladle_supervised.answers.question_answering:QuestionAnswering",
        "tabular-classification": "ladle_supervised.tables.classification:TabularClassification",
        "tabular-regression": "ladle_supervised.tables.regression:TabularRegression",
    }
