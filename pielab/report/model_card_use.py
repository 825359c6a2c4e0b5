"""Python for a model card that loads the model with transformers alone and answers as its study did, for each task."""

import json
from typing import Any

from markupsafe import Markup

from pielab.data import generation, questions, words

LOAD = """import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

folder = {folder}  # this folder, or its id on the Hub
tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="right")
model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
texts = [{text}]
tokens = tokenizer(texts, truncation=True, max_length={max_tokens}, padding=True, return_tensors="pt")
with torch.no_grad():
    logits = model(tokens["input_ids"], attention_mask=tokens["attention_mask"]).logits
names = model.config.id2label
{answers}"""
LOAD_WORDS = """import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

folder = {folder}  # this folder, or its id on the Hub
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForTokenClassification.from_pretrained(folder).eval()
words = ["The", "words", "of", "a", "sentence"]
# A word that becomes no token, such as a zero-width space, is read as an unknown one.
words = [word if tokenizer.tokenize(word) else tokenizer.unk_token for word in words]
tokens = tokenizer([words], is_split_into_words=True, return_tensors="pt")
with torch.no_grad():
    logits = model(tokens["input_ids"], attention_mask=tokens["attention_mask"]).logits[0]
# A word's tag is that of its first token.
first = [tokens.word_ids(0).index(place) for place in range(len(words))]
answers = [model.config.id2label[number] for number in logits[first].argmax(dim=-1).tolist()]"""
LOAD_QUESTIONS = """import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

folder = {folder}  # this folder, or its id on the Hub
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForQuestionAnswering.from_pretrained(folder).eval()
question, context = "Who wrote it?", "Ada Lovelace wrote it."
cut = {{"truncation": "only_second", "max_length": {max_tokens}, "return_offsets_mapping": True}}
tokens = tokenizer(question, context, return_tensors="pt", **cut)
places, covered = tokens.pop("offset_mapping")[0].tolist(), 0
of_context = [place for place, text in enumerate(tokens.sequence_ids(0)) if text == 1]
for place in of_context:  # some tokenizers leave out the first letter of a word
    while (begin := places[place][0]) > covered and context[begin - 1].isprintable() and context[begin - 1] != " ":
        places[place][0] -= 1
    covered = max(covered, places[place][1])
of_context = [place for place in of_context if context[slice(*places[place])].strip()]
with torch.no_grad():
    output = model(**tokens)
# The best part of the context, of {longest} tokens at most.
start, end = output.start_logits[0], output.end_logits[0]
spans = [(i, j) for number, i in enumerate(of_context) for j in of_context[number : number + {longest}]]
first, last = max(spans, key=lambda span: (start[span[0]] + end[span[1]]).item())
answer = context[places[first][0] : places[last][1]].strip(){none}"""
NO_ANSWER = """
if start[0] + end[0] - start[first] - end[last] > {}:
    answer = ""  # the context has none"""
LOAD_LANGUAGE_MODEL = """import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

folder = {folder}  # this folder, or its id on the Hub
has_encoder = AutoConfig.from_pretrained(folder).is_encoder_decoder
tokenizer = AutoTokenizer.from_pretrained(folder)
model = (AutoModelForSeq2SeqLM if has_encoder else AutoModelForCausalLM).from_pretrained(folder).eval()
text = {text}
tokens, end = tokenizer(text)["input_ids"], model.generation_config.eos_token_id
if not has_encoder and tokens[-1:] != [end]:
    tokens.append(end)  # an answer follows the token that ends a text
tokens = torch.tensor([tokens])
output = model.generate(tokens, attention_mask=torch.ones_like(tokens), max_new_tokens={longest})[0]
answer = tokenizer.decode(output[1 if has_encoder else tokens.shape[1] :], skip_special_tokens=True).strip()"""
ONE_ANSWER = "answers = [names[number] for number in logits.argmax(dim=-1).tolist()]"
SEVERAL = "answers = [[names[number] for number, p in enumerate(row) if p > {}] for row in logits.sigmoid().tolist()]"


def _use_of_texts(record: dict[str, Any], name: str) -> dict[str, str]:
    """Python that loads the model and answers as the study did, and what else to know of how the study read texts."""
    p, threshold = record["parameters"], record["decision_threshold"]
    example = f"First text.{words.SEPARATOR}Second text." if p["text_pair"] else "A text to classify."
    given = {"folder": json.dumps(name), "text": json.dumps(example), "max_tokens": p["max_tokens"]}
    said = f"The study read the first {p['max_tokens']} tokens of a text, and no more."
    if p["text_pair"]:
        said += (
            f' A pair is one text, "first{words.SEPARATOR}second"; of one that is longer, the study cut the longer of '
            "the two, which this code does not."
        )
    if threshold is not None:
        said += f" A class is predicted above a probability of {threshold:g}, the best one on the training texts."
    code = LOAD.format(**given, answers=ONE_ANSWER if threshold is None else SEVERAL.format(threshold))
    return {"code": Markup(code), "reading": said}


def _use_of_words(record: dict[str, Any], name: str) -> dict[str, str]:
    """`_use_of_texts` of a model that tags words."""
    said = f"Sentences had at most {record['parameters']['max_tokens']} tokens, and none was cut."
    return {"code": Markup(LOAD_WORDS.format(folder=json.dumps(name))), "reading": said}


def _use_of_questions(record: dict[str, Any], name: str) -> dict[str, str]:
    """`_use_of_texts` of a model that answers questions."""
    most, threshold = record["parameters"]["max_tokens"], record["decision_threshold"]
    said = f"A question and its context had at most {most} tokens; of longer ones the end of the context was cut."
    none = "" if threshold is None else NO_ANSWER.format(threshold)
    longest = record["parameters"].get("max_answer_tokens", questions.MAX_ANSWER_TOKENS)
    code = LOAD_QUESTIONS.format(folder=json.dumps(name), max_tokens=most, longest=longest, none=none)
    return {"code": Markup(code), "reading": said}


def _use_of_language_models(record: dict[str, Any], name: str) -> dict[str, str]:
    """`_use_of_texts` of a model that generates texts."""
    most = record["parameters"]["max_tokens"]
    longest = record["parameters"].get("max_answer_tokens", generation.MAX_ANSWER_TOKENS)
    said = f"Texts had at most {most} tokens, and none was cut; an answer has {longest} at most, the likeliest each."
    example = json.dumps("A text to generate from.")
    code = LOAD_LANGUAGE_MODEL.format(folder=json.dumps(name), text=example, longest=longest)
    return {"code": Markup(code), "reading": said}


# By `data.tasks.Task.hub`.
USE = {"text-classification": _use_of_texts, "token-classification": _use_of_words}
USE |= {"question-answering": _use_of_questions, "text-generation": _use_of_language_models}
