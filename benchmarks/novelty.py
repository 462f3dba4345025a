"""The exact novelty filter beside the published form, on the same instructions, in one run on one core: `python benchmarks/novelty.py [FILE]`.

Published form: ROUGE-L F of a candidate against *all* kept instructions, by rouge-score. Two variants: `score(text, text)`, which splits texts into words each time (Self-Instruct), and
rouge-score's own table on words split once (Alpaca). Ours: `NoveltyFilter.check`. All 52,000 instructions go through ours; the published form would take days, so it is timed on candidates
spread evenly over the run, each against everything kept before it, and extrapolated: the output says so. On those candidates both must decide alike.
Without FILE, instructions are made from the course's own task families, invented names and near copies; with FILE (Alpaca-shaped, any size), they are that file's.
Process time, not the clock: other work on the machine counts little. Peak memory is that of a process that does nothing else."""
import argparse, json, math, os, random, resource, statistics, subprocess, sys, time
from itertools import accumulate
from pathlib import Path

from alpaca_course.families import FAMILIES, draw_item, frame
from alpaca_course.files import scan
from alpaca_course.microworld import BAD, GOOD, NOUNS, OPPOSITES, VERBS, article, make_name, past_tense
from alpaca_course.novelty import NoveltyFilter, words
from alpaca_course.records import Record
from alpaca_course.scripted import near_copy

OPENINGS = """
Write {x} about|Describe|Explain|Explain in {d} sentences|Give {x} on|Summarize|List {d} facts about|Suggest {x} for|What is known about|Name {d} things that go with|Classify|
Find an argument for|Rewrite {x} about|Create {x} based on|Generate {x} for|How would you teach|Who would pay for|Compare {name} with|Tell {name} about|Imagine|
Design {x} for|Is it wise to trust|What happens to|Where would you look for|Give {d} reasons to {v}""".replace("\n", "").split("|")
TOPICS = """
{a} {n}|the {n} of {name}|how {name} {p} {a} {n}|{name} and {other}|the {j} {n} in {other}|the {n} that {p}|{a} {n} and {d} {m}s|{name}, who {p} the {k} {n}|
the {n} near the {m}|the {m} of a {n}|somebody whose {n} {p}|{j} {n}s|the difference between a {n} and a {m}|{name}|a visit to {other}|the word {n}""".replace("\n", "").split("|")
TAILS = """
|||| for {name}| in {d} sentences| without the word {m}| as {x}| to a child from {other}| before the {n} is {k}
| with {a} {m}| and {v} it| in the style of {name}| when it is {k}| using the words {n} and {m}""".replace("\n", "").split("|")
KINDS = ["a short poem", "a letter", "a slogan", "a tweet", "a joke", "a dialogue", "an advertisement", "a headline",
         "a riddle", "a plan", "a recipe", "a speech", "a diary entry", "an essay", "a question", "a title"]
ADJECTIVES = GOOD + BAD + [word for pair in OPPOSITES for word in pair]


def zipf(rng, first, coined):
    "Draws words by Zipf's law from `first`, in random order, with `coined` behind them."
    ranked = rng.sample(first, len(first)) + coined
    weights = list(accumulate(1 / (rank + 5) for rank in range(len(ranked))))
    return lambda: rng.choices(ranked, cum_weights=weights)[0]


def scene(rng, draw):
    j = draw["adjective"]()
    form = rng.choice(OPENINGS) + " " + rng.choice(TOPICS) + rng.choice(TAILS) + "."
    return form.format(x=rng.choice(KINDS), a=f"{article(j)} {j}", j=j, k=draw["adjective"](), n=draw["noun"](), m=draw["noun"](), v=draw["verb"](),
                       p=past_tense(draw["verb"]()), d=rng.choice(["two", "three", "five", "ten"]), name=draw["name"](), other=draw["name"]())


def invented(n, seed=0):
    "`n` instructions: scenes (70 %), tasks of the 35 families with their input (15 %), near copies (15 %). Words follow Zipf's law, with invented ones in the tail."
    rng = random.Random(seed)
    coined = list(dict.fromkeys(make_name(rng) for _ in range(60_000)))
    tail = lambda start, end="": [name.lower() + end for name in coined[start::4]]
    draw = dict(name=zipf(rng, [], coined[::4]), noun=zipf(rng, NOUNS, tail(1)), adjective=zipf(rng, ADJECTIVES, tail(2, "sh")), verb=zipf(rng, VERBS, tail(3)))
    texts = []
    while len(texts) < n:
        kind = rng.random()
        if kind < .7 or not texts: text = scene(rng, draw)
        elif kind < .85:
            item = draw_item(rng, rng.choice(list(FAMILIES)), split="wide")
            text = item.instruction.replace(item.slots.get("name", "\0"), draw["name"]()) + (f" {item.input}" if item.input else "")
        else: text = near_copy(rng, rng.choice(texts))
        texts.append(frame(rng, text) if rng.random() < .1 else text)
    return texts


def of_file(path, n):
    texts = []
    for _, found in scan(path):
        if isinstance(found, Record): texts.append(found.instruction)
        if len(texts) == n: break
    return texts


def ours(args):
    "Run in a process of its own: seconds at each size, what was kept, peak memory before and after."
    texts = of_file(args.file, args.n) if args.file else invented(args.n)
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 10 if sys.platform != "darwin" else 1 << 20)
    before, novel, took, kept = peak(), NoveltyFilter(args.threshold), [0.], []
    for text in texts:
        start = time.process_time()
        new = novel.check(text)[0]
        took.append(took[-1] + time.process_time() - start)
        kept.append(new)
    json.dump(dict(took=took, kept=kept, before=before, peak=peak()), sys.stdout)


def theirs(texts, kept, threshold, sample):
    "Seconds a pair, for both variants, at `sample` evenly spread candidates; asserts that the decisions are those in `kept`."
    from rouge_score import rouge_scorer
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
    rows = []
    for at in (int((i + .5) * len(texts) / sample) for i in range(sample)):
        old = [text for text, new in zip(texts[:at], kept) if new]
        start = time.process_time()
        highest = max((scorer.score(text, texts[at])["rougeL"].fmeasure for text in old), default=0.)
        by_text = time.process_time() - start
        split = [scorer._tokenizer.tokenize(text) for text in old]  # done once a run there, so not timed here
        tokens = scorer._tokenizer.tokenize(texts[at])
        start = time.process_time()
        also = max((rouge_scorer._score_lcs(tokens, other).fmeasure for other in split), default=0.)
        rows.append((by_text / len(old), (time.process_time() - start) / len(old)))
        assert (highest <= threshold) == (also <= threshold) == kept[at], f"instruction {at}: F {highest}, but our filter says {kept[at]}"
    return list(zip(*rows))


def exponent(took, sizes):
    "Slope of log seconds over log size, by least squares."
    x, y = [math.log(n) for n in sizes], [math.log(took[n]) for n in sizes]
    return statistics.linear_regression(x, y).slope


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", help="Alpaca-shaped .json or .jsonl; default: invented instructions")
    parser.add_argument("--n", type=int, default=52_000, help="instructions (default 52,000)")
    parser.add_argument("--threshold", type=float, default=.7)
    parser.add_argument("--sample", type=int, default=24, help="candidates on which the published form is timed (default 24)")
    parser.add_argument("--only-ours", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"): os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one core, for both sides
    if args.only_ours: return ours(args)
    run = json.loads(subprocess.run([sys.executable, Path(__file__).resolve(), *sys.argv[1:], "--only-ours"], stdout=subprocess.PIPE, check=True).stdout)
    texts = of_file(args.file, args.n) if args.file else invented(args.n)
    n, took, kept = len(texts), run["took"], run["kept"]
    lengths, pairs = [len(words(t)) for t in texts], sum(accumulate(kept, initial=0)) - sum(kept)
    print(f"input        {n:,} instructions, {args.file or 'invented by this script'}; {statistics.mean(lengths):.1f} words on average, "
          f"{len({w for t in texts for w in words(t)}):,} different words")
    print(f"decisions    {sum(kept):,} kept, {n - sum(kept):,} rejected at F > {args.threshold}; {pairs:,} pairs stand between candidates and what was kept before them")
    print(f"ours         {took[n]:.1f} s of process time for all {n:,}, {1e3 * took[n] / n:.3f} ms a candidate; "
          f"peak memory {run['peak']:.0f} MiB, {run['before']:.0f} before the first")
    sizes = [n // 2 ** k for k in (4, 3, 2, 1, 0)]
    growth = ", ".join(f"{size:,}: {took[size]:.2f} s" for size in sizes)
    print(f"growth       {growth}; exponent {exponent(took, sizes):.2f} (2 is quadratic), {math.log2(took[n] / took[n // 2]):.2f} over the last doubling", flush=True)
    for what, seconds in zip(("texts, as Self-Instruct", "words, as Alpaca"), theirs(texts, kept, args.threshold, args.sample)):
        each, error = statistics.mean(seconds), 1.96 * statistics.stdev(seconds) / len(seconds) ** .5
        ratio, share = each * pairs / took[n], error / each
        print(f"rouge-score  on {what}: {1e6 * each:.1f} us a pair (95 % +- {100 * share:.0f} %), EXTRAPOLATED from {len(seconds)} candidates: "
              f"{each * pairs / n:.3f} s a candidate, {each * pairs / 3600:.1f} h for all; {ratio:,.0f} times our cost ({ratio * (1 - share):,.0f} to {ratio * (1 + share):,.0f})", flush=True)
    print(f"alike        our decision is rouge-score's on all {args.sample} of them")


if __name__ == "__main__": sys.exit(main())
