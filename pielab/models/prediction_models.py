"""The models that predict texts of a user's, and their encoders, by what the texts are."""

from typing import Any

from pielab.data import generation as generated
from pielab.data import questions, tasks
from pielab.data.prediction_texts import PredictionTexts
from pielab.models import classifier, generation, pretrained, question_answering, tagging
from pielab.models.encoders import SubwordEncoder, TextEncoder
from pielab.models.targets import TargetEncoder
from pielab.models.tokens import Tokens

# What builds the models, and the encoders, of examples that have no class each.
MODELS: dict[str | None, Any] = {
    tasks.TOKENS.name: tagging,
    tasks.SPANS.name: question_answering,
    tasks.GENERATION.name: generation,
}
# What the examples are, by the task that the record of a seed names.
HAS = {
    None: "texts",
    tasks.TOKENS.name: "words",
    tasks.SPANS.name: "questions",
    tasks.GENERATION.name: "texts to generate from",
}


def task_of(texts: PredictionTexts) -> str | None:
    """The task that the record of a seed names; None of texts with labels."""
    if texts.generated or texts.asked:
        return tasks.GENERATION.name if texts.generated else tasks.SPANS.name
    return None if texts.words is None else tasks.TOKENS.name


def head(texts: PredictionTexts, config: Any) -> str:
    """The head of a model of such texts, as of `pretrained.HEAD`."""
    if texts.generated:
        return generation.head(config)
    return {tasks.SPANS.name: question_answering.HEAD, tasks.TOKENS.name: tagging.HEAD}.get(
        task_of(texts) or "", pretrained.HEAD
    )


def class_names(texts: PredictionTexts, config: Any) -> list[str]:
    """The names of what a saved model gives, in the order of its logits."""
    if texts.generated or texts.asked:
        return list(generated.CLASSES if texts.generated else questions.LOGITS)
    return [str(config.id2label[number]) for number in range(config.num_labels)]


def encoder(
    model: str, config: Any, texts: PredictionTexts, max_tokens: int | None, commit: str | None = None
) -> SubwordEncoder:
    """The encoder of a saved model."""
    if texts.asked or texts.generated:
        return MODELS[task_of(texts)].encoder(model, texts.joined, max_tokens, revision=commit)
    of_texts = classifier.subword_encoder(model, config, texts.joined, max_tokens, commit, head(texts, config))
    if texts.words is not None:
        tagging.set_words_apart(model, of_texts.tokenizer)
    return of_texts


def encode_apart(encoder: TextEncoder, texts: PredictionTexts) -> Tokens | None:
    """The tokens of sentences of words, of questions with their contexts, or of sources; None of texts with labels."""
    if isinstance(encoder, TargetEncoder):
        return encoder.encode_sources(texts.firsts, texts.where)
    if not isinstance(encoder, SubwordEncoder) or task_of(texts) is None:
        return None
    if texts.words is None:
        return encoder.encode_questions(texts.firsts, texts.seconds or [], texts.where)
    return encoder.encode_words(texts.words, texts.where)
