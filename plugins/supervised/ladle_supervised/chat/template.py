"""Chat templates: those that a recipe can name, and what a template asks of a tokeniser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ladle import OptionError
from ladle.errors import did_you_mean

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Template(NamedTuple):
    """A chat template in Jinja, and the markers in it that have to be single tokens."""

    text: str
    tokens: tuple[str, ...] = ()


NAMED = {
    "chatml": Template(
        "{% for message in messages %}"
        "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
        "{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
        ("<|im_start|>", "<|im_end|>"),
    ),
    "plain": Template(
        "{% for message in messages %}"
        "{{ message['role'] | capitalize + ':\\n' + message['content'] }}"
        "{{ (eos_token if message['role'] == 'assistant' else '\\n') + '\\n' }}"
        "{% endfor %}"
        "{% if add_generation_prompt %}{{ 'Assistant:\\n' }}{% endif %}"
    ),
    "instruction": Template(
        "{% for message in messages %}"
        "{% if message['role'] == 'assistant' %}"
        "{{ '### Response:\\n' + message['content'] + eos_token + '\\n' }}"
        "{% elif message['role'] == 'system' %}{{ message['content'] + '\\n\\n' }}"
        "{% else %}{{ '### Instruction:\\n' + message['content'] + '\\n\\n' }}{% endif %}"
        "{% endfor %}"
        "{% if add_generation_prompt %}{{ '### Response:\\n' }}{% endif %}"
    ),
}
_NAMES = ", ".join(f'"{name}"' for name in NAMED)
_JINJA = ("{{", "{%")
_MARKED = re.compile(r"\{%-?\s*(end)?generation\s*-?%\}")
_MARKER = re.compile(r"<\|[^\s<>|]{1,60}\|>")


def check_template(template: str) -> None:
    """Raises OptionError unless `template` is a name or Jinja that can be parsed. Imports nothing heavy."""
    if template in NAMED:
        return
    if not any(sign in template for sign in _JINJA):
        raise OptionError(
            f"no chat template is called `{template}`",
            help=f"{did_you_mean(template, list(NAMED), 'there are')} (a template of your own is Jinja text)",
        )
    import jinja2

    try:
        jinja2.Environment(extensions=["jinja2.ext.loopcontrols"]).parse(_MARKED.sub("", template))
    except jinja2.TemplateSyntaxError as error:
        raise OptionError(f"the template is no Jinja: {error.message} (line {error.lineno})") from None


def marks_answers(template: str) -> bool:
    """Whether a template says by `{% generation %}` what the model is to write."""
    return _MARKED.search(template) is not None


def give_template(tokenizer: PreTrainedTokenizerBase, template: str | None, markers: list[str]) -> list[str]:
    """Let the tokeniser render conversations by `template`, or by its own if that is None.

    Returns the markers that the tokeniser did not know, and has learnt as single special tokens. Raises OptionError if
    there is no template, or the tokeniser has no end token that a named one needs.
    """
    named = NAMED.get(template or "")
    if named:
        first = "{{ bos_token }}" if begins_by_itself(tokenizer) else ""
        tokenizer.chat_template = first + named.text
    elif template:
        tokenizer.chat_template = template
    elif not tokenizer.chat_template:
        raise no_template()
    if named and "eos_token" in named.text and tokenizer.eos_token is None:
        raise OptionError(
            f"`{template}` ends answers with the tokeniser's end token, and it has none",
            option="template",
            help='write template = "chatml", which brings its own',
        )
    new = _learn(tokenizer, [*(named.tokens if named else ()), *markers])
    if tokenizer.pad_token_id not in (special := tokenizer.added_tokens_decoder) and special:
        tokenizer.pad_token = special[max(special)].content  # a word would, once saved, be special and read apart
    return new


def has_template(folder: Path) -> bool:
    """Whether there is a chat template among a model's files."""
    stated = folder / "tokenizer_config.json"
    return (folder / "chat_template.jinja").is_file() or (
        stated.is_file() and "chat_template" in json.loads(stated.read_text(encoding="utf-8"))
    )


def no_template() -> OptionError:
    """The error that neither the model nor the recipe has a chat template."""
    return OptionError(
        "the model has no chat template: nothing says how a conversation becomes one text",
        option="template",
        help=f"name one ({_NAMES}), or write one in Jinja",
    )


def _learn(tokenizer: PreTrainedTokenizerBase, markers: list[str]) -> list[str]:
    from transformers import AddedToken

    new = [marker for marker in dict.fromkeys(markers) if not is_one_token(tokenizer, marker)]
    tokenizer.add_tokens([AddedToken(marker, special=True, normalized=False) for marker in new], special_tokens=True)
    return new


def begins_by_itself(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the tokeniser puts its first token before any text, unless it is told not to."""
    return tokenizer.bos_token_id is not None and tokenizer("a").input_ids[:1] == [tokenizer.bos_token_id]


def is_one_token(tokenizer: PreTrainedTokenizerBase, marker: str) -> bool:
    """Whether the tokeniser reads a marker as one token that means nothing else."""
    ids = tokenizer(marker, add_special_tokens=False).input_ids
    return len(ids) == 1 and (ids[0] != tokenizer.unk_token_id or marker == tokenizer.unk_token)


def markers_in(text: str) -> set[str]:
    """What looks like a marker, such as `<|user|>`."""
    return set(_MARKER.findall(text))
