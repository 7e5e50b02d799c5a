"""Model folders and language models made from the tiny models."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.vectors import tiny
from vectors.domains.prompt_sets import PromptSet, load_prompt_set
from vectors.models.loading import LanguageModel, load_model
from vectors.models.tokenizer import Tokenizer

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def transformers_tokenizer(template: str | None = None) -> Any:
    """transformers' byte tokenizer, with a chat template of its own."""
    made = tiny.transformers_byte_tokenizer()
    made.chat_template = template
    return made


def tokenizer(template: str | None = None) -> Tokenizer:
    """The byte tokenizer, with a chat template of its own."""
    return Tokenizer.of(transformers_tokenizer(template))


def save(folder: Path, family: str = "llama", template: str | None = None) -> Any:
    """Write a tiny model's folder and return the model."""
    model = tiny.tiny_model(family)
    model.save_pretrained(folder)
    transformers_tokenizer(template).save_pretrained(folder)
    return model


def language_model(folder: Path, family: str = "llama", template: str | None = None) -> LanguageModel:
    """A tiny model as everything else in the room meets it."""
    import torch

    save(folder, family, template)
    return load_model(str(folder), cache=folder / "unused", dtype=torch.float32)


def first(domain: str, count: int) -> PromptSet:
    """The first prompts of a domain, for tests that need real ones and not all of them."""
    whole = load_prompt_set(domain)
    return replace(whole, positive=whole.positive[:count], negative=whole.negative[:count])
