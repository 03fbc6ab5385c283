"""What a folder with a pre-trained model must hold, and how its tokeniser and its model must fit."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from ladle import OptionError
from ladle.training import check_tokenizer, config_from


def test_a_configuration_is_read_or_refused(tmp_path):
    BertConfig().save_pretrained(tmp_path)
    assert config_from(tmp_path).model_type == "bert"
    (tmp_path / "config.json").write_text('{"model_type": "nonsense"}')
    with pytest.raises(OptionError, match=r"cannot be loaded: .*nonsense") as error:
        config_from(tmp_path)
    assert error.value.option == "model"


@pytest.mark.parametrize("tokens", [30, 31])
def test_a_model_must_have_a_place_for_each_token_of_its_tokeniser(tokens):
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    model = BertModel(BertConfig(vocab_size=30, **sizes))
    words = {str(number): number for number in range(tokens)}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel(words, unk_token="0")))
    if tokens == 30:
        check_tokenizer(model, tokenizer)
        return
    with pytest.raises(OptionError, match="the tokeniser knows 31 tokens, and the model has a place for 30") as error:
        check_tokenizer(model, tokenizer)
    assert error.value.option == "model"
