"""Mistral's own prompt writer for the format v15, on the vocabulary that mistral-common ships."""

from __future__ import annotations

import json
from collections.abc import Sequence

from mistral_common.protocol.instruct.chunk import ImageChunk, TextChunk, ThinkChunk
from mistral_common.protocol.instruct.messages import AssistantMessage, SystemMessage, UserMessage
from mistral_common.protocol.instruct.normalize import InstructRequestNormalizerV15
from mistral_common.protocol.instruct.request import ChatCompletionRequest, ReasoningEffort
from mistral_common.tokens.tokenizers.base import TokenizerVersion
from mistral_common.tokens.tokenizers.image import ImageConfig, ImageEncoder, SpecialImageIDs
from mistral_common.tokens.tokenizers.instruct import InstructTokenizerV15
from mistral_common.tokens.tokenizers.model_settings_builder import (
    ModelSettingsBuilder,
    ReasoningEffortEnumBuilder,
)
from mistral_common.tokens.tokenizers.tekken import SpecialTokenInfo, Tekkenizer
from PIL import Image

from app.core.messages import ReasoningEffort as Effort
from app.core.messages import Role
from app.engine.protocol import PromptMessage
from scripts.model_files.vocabulary import CONTROL_TOKENS, TEKKEN_FILE


def make_tekkenizer() -> Tekkenizer:
    """Return the tokenizer of Mistral Small 4: the shipped ranks behind its own control tokens."""
    content = json.loads(TEKKEN_FILE.read_text(encoding="utf-8"))
    named = [name for name in CONTROL_TOKENS if not name.startswith("<SPECIAL_") or CONTROL_TOKENS.index(name) < 38]
    special = [SpecialTokenInfo(rank=rank, token_str=name, is_control=True) for rank, name in enumerate(named)]
    efforts = ReasoningEffortEnumBuilder(
        values=[ReasoningEffort.none, ReasoningEffort.high], default=ReasoningEffort.none
    )
    return Tekkenizer(
        vocab=content["vocab"],
        special_tokens=special,
        pattern=content["config"]["pattern"],
        vocab_size=131072,
        num_special_tokens=1000,
        version=TokenizerVersion.v15,
        image_config=ImageConfig(14, 1540, 2),
        model_settings_builder=ModelSettingsBuilder(reasoning_effort=efforts),
    )


def make_writer(tekkenizer: Tekkenizer) -> InstructTokenizerV15:
    """Return the writer of prompts, with pictures."""
    ids = SpecialImageIDs(*(tekkenizer.get_special_token(name) for name in ("[IMG]", "[IMG_BREAK]", "[IMG_END]")))
    return InstructTokenizerV15(tekkenizer, image_encoder=ImageEncoder(ImageConfig(14, 1540, 2), ids))


def write(
    writer: InstructTokenizerV15,
    messages: Sequence[PromptMessage],
    effort: Effort,
    sizes: Sequence[tuple[int, int]] = (),
) -> list[int]:
    """Return the tokens of a prompt; `sizes` are those of its pictures, in order."""
    rest = list(sizes)
    converted = [_convert(message, rest) for message in messages]
    request = ChatCompletionRequest(messages=converted, reasoning_effort=ReasoningEffort(effort.value))
    normalizer = InstructRequestNormalizerV15.normalizer(writer.tokenizer.model_settings_builder)
    return writer.encode_instruct(normalizer.from_chat_completion_request(request)).tokens


def _convert(message: PromptMessage, sizes: list[tuple[int, int]]) -> SystemMessage | UserMessage | AssistantMessage:
    match message.role:
        case Role.SYSTEM:
            return SystemMessage(content=message.text)
        case Role.ASSISTANT:
            thought = [ThinkChunk(thinking=message.reasoning)] if message.reasoning else []
            return AssistantMessage(content=[*thought, TextChunk(text=message.text)])
        case Role.USER:
            pictures = [ImageChunk(image=Image.new("1", sizes.pop(0))) for _ in message.pictures]
            return UserMessage(content=[*pictures, TextChunk(text=message.text)] if pictures else message.text)
