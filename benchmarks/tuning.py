"""Fine-tuning and generation beside `transformers`, on the same base, records and cores, in one run: `python benchmarks/tuning.py`.

The peer is `transformers.Trainer` with the same rows (prompt masked, padded to the longest of a batch), batch size, epochs, schedule and optimiser, and `model.generate` for answers.
Each side is timed three times in turn; the ratio of the medians is what counts. Loading is not counted."""
import argparse, os, statistics, sys, tempfile, time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import Trainer, TrainingArguments
from transformers.utils import logging

from alpaca_course.bases import load_base
from alpaca_course.batching import encode_records
from alpaca_course.evaluation import item_record
from alpaca_course.families import FAMILIES, draw_item, test_items
from alpaca_course.finetuning import tune
from alpaca_course.generation import generate_text
from alpaca_course.records import TEMPLATES, Record

TEMPLATE = TEMPLATES["alpaca"]


def records(n):
    import random
    rng = random.Random(0)
    items = [draw_item(rng, rng.choice(list(FAMILIES)), framed=rng.random() < .5) for _ in range(n)]
    return [Record(i.instruction, i.input, i.answer) for i in items]


def ours(data, batch):
    with tempfile.TemporaryDirectory() as out: return tune("few", data, TEMPLATE, out, epochs=1, batch_size=batch).seconds


def theirs(data, batch):
    model, tokenizer = load_base("few")
    rows = [dict(input_ids=r.ids, labels=r.labels) for r in encode_records(data, TEMPLATE, tokenizer)]
    def collate(chunk):
        pad = lambda key, value: pad_sequence([torch.tensor(r[key]) for r in chunk], batch_first=True, padding_value=value)
        ids = pad("input_ids", tokenizer.pad_token_id)
        return dict(input_ids=ids, labels=pad("labels", -100), attention_mask=(ids != tokenizer.pad_token_id).long())
    with tempfile.TemporaryDirectory() as out:
        arguments = TrainingArguments(out, num_train_epochs=1, per_device_train_batch_size=batch, learning_rate=1e-3, lr_scheduler_type="linear", warmup_steps=4, weight_decay=0., max_grad_norm=1.,
                                      save_strategy="no", report_to=[], disable_tqdm=True, use_cpu=True, logging_strategy="no", seed=0)
        trainer = Trainer(model.train(), arguments, train_dataset=rows, data_collator=collate)
        started = time.perf_counter(); trainer.train()
    return time.perf_counter() - started


def answers(model, tokenizer, one_by_one):
    prompts = [TEMPLATE.prompt(item_record(i)) for i in test_items(2)]
    started = time.perf_counter()
    if not one_by_one: generate_text(model, tokenizer, prompts, 40)
    else:
        for p in prompts: model.generate(**tokenizer(p, return_tensors="pt", return_token_type_ids=False), max_new_tokens=40, do_sample=False, pad_token_id=tokenizer.pad_token_id)
    return time.perf_counter() - started


def compare(what, a, b, runs=3):
    pairs = [(a(), b()) for _ in range(runs)]
    mine, other = (statistics.median(side) for side in zip(*pairs))
    print(f"{what:42} ours {mine:6.2f} s   peer {other:6.2f} s   peer / ours {other / mine:5.2f}   (pairs {', '.join(f'{y / x:.2f}' for x, y in pairs)})", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=800)
    parser.add_argument("--batch", type=int, default=32)
    args = parser.parse_args()
    logging.set_verbosity_error()
    data = records(args.records)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread(s), {args.records} records, batch {args.batch}")
    compare("tuning, beside transformers.Trainer", lambda: ours(data, args.batch), lambda: theirs(data, args.batch))
    pair = load_base("few")
    compare("70 answers, beside generate one by one", lambda: answers(*pair, False), lambda: answers(*pair, True))


if __name__ == "__main__": sys.exit(main())
