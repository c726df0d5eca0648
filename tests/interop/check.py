"""Opens what the trainer wrote with Python's transformers, peft, tokenizers and onnxruntime, and holds ids, text and log-probs against the
trainer's own. Usage, in an environment with torch, transformers (4.57 and 5.18 were tried), peft and onnxruntime:

    npx tsx tests/interop/make.ts DIR && python tests/interop/check.py DIR
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import tokenizers
import torch
import transformers
from peft import AutoPeftModelForSeq2SeqLM, LoraConfig, PeftConfig, PeftModel, get_peft_model
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, PreTrainedTokenizerFast
from transformers.trainer_callback import TrainerState

TOLERANCE = 2e-4  # of a sum of some thirty log-probs
root = Path(sys.argv[1])
expected = json.loads((root / "expected.json").read_text())
failures = []


def check(name, ok, detail=""):
    print(("ok    " if ok else "FAIL  ") + name + (f"  {detail}" if detail else ""))
    if not ok:
        failures.append(name)


def attempt(name, work):
    try:
        return work()
    except Exception as error:  # what does not load is a failure like any other
        check(name, False, f"{type(error).__name__}: {str(error)[:300]}")


def logp(model, pair):
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([pair["inputIds"]]), labels=torch.tensor([pair["labels"]])).logits[0]
    return torch.log_softmax(logits.double(), -1).gather(1, torch.tensor(pair["labels"])[:, None]).sum().item()


def check_logp(name, value, pair):
    check(name, abs(value - pair["logp"]) < TOLERANCE, f"{value:.6f}, the trainer {pair['logp']:.6f}")


def check_tokenizer(name, encode, decode, texts):
    for text in texts:
        ids, decoded = encode(text["text"]), decode(text["ids"])
        shown = repr(text["text"])
        check(f"{name}: ids of {shown}", ids == text["ids"], "" if ids == text["ids"] else f"{ids} not {text['ids']}")
        same = decoded == text["decoded"]
        check(f"{name}: text of {shown}", same, "" if same else f"{decoded!r} not {text['decoded']!r}")


def peft_opens_seq2seq(base):
    """peft 0.21 asks the model for a method that transformers 5.18 no longer has."""
    try:
        get_peft_model(AutoModelForSeq2SeqLM.from_pretrained(base), LoraConfig(task_type="SEQ_2_SEQ_LM", target_modules=["q"]))
        return True
    except AttributeError:
        return False


def onnx_logp(folder, pair):
    session = lambda file: onnxruntime.InferenceSession(str(folder / "onnx" / file), providers=["CPUExecutionProvider"])
    encoder, decoder = session("encoder_model.onnx"), session("decoder_model_merged.onnx")
    ids = np.array([pair["inputIds"]], np.int64)
    mask = np.ones_like(ids)
    hidden = encoder.run(None, {"input_ids": ids, "attention_mask": mask})[0]
    labels = np.array(pair["labels"])
    feeds = {
        "input_ids": np.array([[0, *pair["labels"][:-1]]], np.int64),
        "encoder_attention_mask": mask,
        "encoder_hidden_states": hidden,
    }
    for value in decoder.get_inputs():
        if value.name.startswith("past_key_values"):
            feeds[value.name] = np.zeros([1, value.shape[1], 0, value.shape[3]], np.float32)
    logits = torch.tensor(decoder.run(["logits"], feeds)[0][0]).double()
    return torch.log_softmax(logits, -1).gather(1, torch.tensor(labels)[:, None]).sum().item()


print(f"transformers {transformers.__version__}, tokenizers {tokenizers.__version__}, onnxruntime {onnxruntime.__version__}")
for name, facts in expected.items():
    folder, pair, texts = root / name, facts["pair"], facts["texts"]
    is_adapter = (folder / "adapter_config.json").exists()
    if is_adapter:
        base = json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"]
        config = PeftConfig.from_pretrained(folder)
        if not peft_opens_seq2seq(base):
            print("note  this peft opens no adapter of an encoder-decoder on this transformers, not even its own: as one without a task")
            config.task_type = None
        else:
            model = attempt(f"{name}: AutoPeftModelForSeq2SeqLM", lambda: AutoPeftModelForSeq2SeqLM.from_pretrained(folder))
            if model is not None:
                check_logp(f"{name}: AutoPeftModelForSeq2SeqLM log-prob", logp(model, pair), pair)
        open_base = lambda: AutoModelForSeq2SeqLM.from_pretrained(base)
        model = attempt(f"{name}: PeftModel", lambda: PeftModel.from_pretrained(open_base(), folder, config=config))
        if model is not None:
            check_logp(f"{name}: PeftModel log-prob", logp(model, pair), pair)
    for place in [f"{name}-merged"] if is_adapter else [name]:
        model = attempt(f"{place}: AutoModelForSeq2SeqLM", lambda: AutoModelForSeq2SeqLM.from_pretrained(root / place))
        if model is not None:
            check_logp(f"{place}: AutoModelForSeq2SeqLM log-prob", logp(model, pair), pair)
    checkpoint = folder / "checkpoint-1"
    load = (lambda: PeftModel.from_pretrained(open_base(), checkpoint, config=config)) if is_adapter else (
        lambda: AutoModelForSeq2SeqLM.from_pretrained(checkpoint)
    )
    if attempt(f"{name}: checkpoint", load) is not None:
        check(f"{name}: checkpoint", True)
    state = attempt(f"{name}: trainer_state.json", lambda: TrainerState.load_from_json(str(folder / "trainer_state.json")))
    if state is not None:
        check(f"{name}: trainer_state.json", state.global_step == 2 and len(state.log_history) > 0)
    raw = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    check_tokenizer(f"{name}: tokenizers", lambda t: raw.encode(t).ids, lambda i: raw.decode(i), texts)
    for kind in [AutoTokenizer, PreTrainedTokenizerFast]:
        fast = attempt(f"{name}: {kind.__name__}", lambda: kind.from_pretrained(folder))
        if fast is not None:
            decode = lambda ids: fast.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            check_tokenizer(f"{name}: {kind.__name__}", lambda t: fast(t).input_ids, decode, texts)
    value = attempt(f"{name}: onnxruntime", lambda: onnx_logp(root / f"{name}-onnx", pair))
    if value is not None:
        check_logp(f"{name}: onnxruntime log-prob", value, pair)
print(f"{len(failures)} failures")
sys.exit(1 if failures else 0)
