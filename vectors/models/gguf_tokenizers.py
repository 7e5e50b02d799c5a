"""The keys `tokenizer.*` of a GGUF file → a tokenizer.

Two kinds are read: byte-level BPE, of which a file names how text is cut beforehand, and SentencePiece's BPE,
of which it has scores in place of merges. A way to cut that is not known is refused: numbers and spaces would
become other tokens than the model was trained on, and everything would look fine.
"""

from collections.abc import Mapping
from typing import Any

from gguf import TokenType
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from vectors.errors import UnsupportedModel
from vectors.models.gguf_reading import GgufFile

_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN2 = _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
_TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_GPT2, _DIGITS = "GPT-2's", "every digit alone, then GPT-2's"
CUTS: Mapping[str, str] = {
    **dict.fromkeys(("gpt-2", "phi-2", "olmo", "jais", "mpt"), _GPT2),
    **dict.fromkeys(("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"), _DIGITS),
    **dict.fromkeys(("llama-bpe", "llama3", "llama-v3", "lfm2", "dbrx", "smaug-bpe", "falcon3"), _LLAMA3),
    **dict.fromkeys(("qwen2", "deepseek-r1-qwen", "stablelm2", "megrez"), _QWEN2),
    "tekken": _TEKKEN,
}
"""`tokenizer.ggml.pre` → how text is cut before merges are looked for."""
_BEGIN = ("llama-bpe", "llama3", "llama-v3", "tekken")
"""Ways to cut that go with a token at the beginning, where a file does not say."""
_WHOLE = (_LLAMA3, _TEKKEN)
"""Ways to cut that go with words taken whole where the vocabulary has them, whatever the merges say."""
_ROLES = {"bos": "bos_token", "eos": "eos_token", "unknown": "unk_token", "padding": "pad_token"}
_GAP = "\u2581"


def tokenizer_of(file: GgufFile) -> tuple[Tokenizer, dict[str, str]]:
    """The tokenizer, and its tokens with a role, as transformers names them. Raises UnsupportedModel."""
    kind, tokens = file["tokenizer.ggml.model"], file["tokenizer.ggml.tokens"]
    if kind not in ("gpt2", "llama"):
        raise UnsupportedModel(f"the GGUF file says tokenizer.ggml.model = {kind}, expected gpt2 or llama")
    types = file["tokenizer.ggml.token_type"]
    if len(types) != len(tokens):
        raise UnsupportedModel(f"the GGUF file has {len(types)} types for {len(tokens)} tokens")
    special = {}
    for role, name in _ROLES.items():
        id_ = file.keys.get(f"tokenizer.ggml.{role}_token_id")
        if id_ is not None and not 0 <= id_ < len(tokens):
            raise UnsupportedModel(
                f"the GGUF file says tokenizer.ggml.{role}_token_id = {id_}, of {len(tokens)}"
            )
        if id_ is not None:
            special[name] = tokens[id_]
    if kind == "gpt2":
        backend, begins = _byte_level(file, tokens)
    else:
        backend, begins = _sentencepiece(file, tokens, types, special.get("unk_token"))
    backend.add_special_tokens(_added(tokens, types, TokenType.CONTROL))
    backend.add_tokens(_added(tokens, types, TokenType.USER_DEFINED))
    bos = special.get("bos_token")
    if not file.keys.get("tokenizer.ggml.add_bos_token", begins):
        bos = None
    first = [] if bos is None else [bos]
    backend.post_processor = processors.TemplateProcessing(
        single=[*first, "$A:0"],
        pair=[*first, "$A:0", "$B:1"],
        special_tokens=[(token, backend.token_to_id(token)) for token in first],
    )
    return backend, special


def _added(tokens: list[str], types: list[int], kind: int) -> list[AddedToken]:
    control = kind == TokenType.CONTROL
    return [
        AddedToken(token, special=control, normalized=False)
        for token, each in zip(tokens, types, strict=True)
        if each == kind and token
    ]


def _byte_level(file: GgufFile, tokens: list[str]) -> tuple[Tokenizer, bool]:
    name = file["tokenizer.ggml.pre"]
    if (cut := CUTS.get(name)) is None:
        raise UnsupportedModel(
            f"the GGUF file says tokenizer.ggml.pre = {name}, which is not known here: text would be cut in "
            f"other places than the model was trained on; those that are known: {', '.join(sorted(CUTS))}"
        )
    merges: list[Any] = [tuple(pair.split(" ")) for pair in file["tokenizer.ggml.merges"]]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    try:
        model = models.BPE(vocabulary, merges, ignore_merges=cut in _WHOLE)
    except Exception as error:  # of no class of its own
        raise UnsupportedModel(
            f"the GGUF file's merges do not fit its tokens: {' '.join(str(error).split())[:99]}"
        ) from None
    backend = Tokenizer(model)
    backend.pre_tokenizer = _pre_tokenizer(cut)
    backend.decoder = decoders.ByteLevel()
    return backend, name in _BEGIN


def _pre_tokenizer(cut: str) -> pre_tokenizers.PreTokenizer:
    if cut == _GPT2:
        return pre_tokenizers.ByteLevel(add_prefix_space=False)
    if cut == _DIGITS:
        return pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False),
            ]
        )
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(cut), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def _sentencepiece(
    file: GgufFile, tokens: list[str], types: list[int], unknown: str | None
) -> tuple[Tokenizer, bool]:
    vocabulary = {token: index for index, token in enumerate(tokens)}
    merges = _merges(vocabulary, file["tokenizer.ggml.scores"], types)
    backend = Tokenizer(models.BPE(vocabulary, merges, unk_token=unknown, fuse_unk=True, byte_fallback=True))
    spaces = normalizers.Replace(" ", _GAP)
    prefix = file.keys.get("tokenizer.ggml.add_space_prefix", True)
    backend.normalizer = normalizers.Sequence([normalizers.Prepend(_GAP), spaces]) if prefix else spaces
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace(_GAP, " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            *([decoders.Strip(" ", 1, 0)] if prefix else []),
        ]
    )
    return backend, True


def _merges(vocabulary: Mapping[str, int], scores: list[float], types: list[int]) -> list[tuple[str, str]]:
    """SentencePiece joins neighbours whose joint token has the highest score; merges say so by order."""
    if len(scores) != len(types):
        raise UnsupportedModel(f"the GGUF file has {len(scores)} scores for {len(types)} tokens")
    unmerged = (TokenType.CONTROL, TokenType.BYTE, TokenType.UNKNOWN)
    found = []
    for token, index in sorted(vocabulary.items(), key=lambda each: (-scores[each[1]], each[1])):
        if types[index] not in unmerged:
            pieces = [(token[:at], token[at:]) for at in range(1, len(token))]
            found += [pair for pair in pieces if pair[0] in vocabulary and pair[1] in vocabulary]
    return found
