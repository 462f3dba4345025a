"""The scratchpad lessons: forced pass and decoding against `generate`, the models' promises, the shipped runs, a scorer under attack, and an endpoint that misbehaves."""
import json, random, subprocess, sys, threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from alpaca_course import addition, fewshot, lengths, price
from alpaca_course.addition import ADDITION, BEYOND, SCRATCHPAD, TRAINED, find_runs, planned, read_runs
from alpaca_course.budget import Budget
from alpaca_course.lengths import INTERVENTIONS, LOCAL, NOWHERE, REPAIRS, Written
from alpaca_course.price import Limits, TRACES, read_entry, score_ood
from alpaca_course.scratchpad import *
from alpaca_course.teacher import Teacher, TeacherError

torch.set_num_threads(1)
COUPLED = Written(padded=True, operands=True, answers=True)
WAYS = {"plain": (Written(), Shape()), "labels and local layers": (Written(labels=True), LOCAL), "no positions": (Written(), NOWHERE), "coupled": (COUPLED, Shape()), "scattered": (Written(scattered=200), Shape())}


@pytest.fixture(scope="module")
def half_trained():
    "For each way a model that gets some of its problems right and some wrong."
    found = {}
    for name, (write, shape) in WAYS.items():
        solver = train_solver(drawing(write, (1,)), Plan(steps=60, characters=256, warmup=10, learning_rate=8e-3), shape)
        found[name] = solver.model, test_set(write, (1, 2, 3), 25)
    return found


# --- forced pass = greedy decoding -------------------------------------------------------------------------------------

@pytest.mark.parametrize("way", WAYS)
def test_forced_pass_equals_greedy_decoding(half_trained, way):
    model, problems = half_trained[way]
    forced, written = forced_outputs(model, problems), greedy_outputs(model, problems, rows=50)  # 50: prompts of different length share a batch
    assert exact(forced, problems) == exact(written, problems)
    for e, f, w in zip(problems, forced, written):
        wrong = first_wrong(w, e.target)
        assert f[:wrong] == w[:wrong], "up to and including the first mistake both say the same"
        if wrong is not None and wrong < min(len(f), len(w)): assert f[wrong] == w[wrong]


@pytest.mark.parametrize("way", ["plain", "no positions", "labels and local layers"])
def test_batched_decoding_equals_generate_one_by_one(half_trained, way):
    model, problems = half_trained[way]
    problems = problems[::10]
    for e, written in zip(problems, greedy_outputs(model, problems)):
        ids, _, mask = as_batch([e], prompts=True)
        text = decode(model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=len(written), do_sample=False)[0, ids.shape[1]:].tolist())
        assert text[:len(written)] == written


def test_something_is_right_and_something_wrong(half_trained):
    model, problems = half_trained["plain"]
    right = exact(forced_outputs(model, problems), problems)
    assert 0 < sum(right) < len(right), "otherwise the equalities above would prove little"


def test_a_batch_changes_nothing(half_trained):
    for model, problems in half_trained.values():
        alone = [greedy_outputs(model, [e])[0] for e in problems[::30]]
        assert alone == greedy_outputs(model, problems[::30])


# --- what the shapes promise --------------------------------------------------------------------------------------------

def scores(model, text, places=None):
    e = Example(text[:-1], text[-1] if text[-1] == END else END, 1, places)
    ids, where, _ = as_batch([e])
    with torch.inference_mode(): return logits_of(model, ids, where, use_cache=False)[0]


def test_smollm3_with_positions_everywhere_is_our_llama():
    llama, other = new_solver(Shape(), 3).eval(), new_solver(Shape(rope=(True, True, True)), 4).eval()
    other.load_state_dict(llama.state_dict())
    assert torch.allclose(scores(llama, "29+57=86$"), scores(other, "29+57=86$"), atol=1e-5)


def test_without_rope_positions_mean_nothing():
    model = new_solver(NOWHERE, 0).eval()
    assert torch.allclose(scores(model, "29+57=86$"), scores(model, "29+57=86$", tuple(range(50, 59))), atol=1e-5)
    with_rope = new_solver(Shape(), 0).eval()
    assert not torch.allclose(scores(with_rope, "29+57=86$"), scores(with_rope, "29+57=86$", (0, 3, 4, 9, 11, 12, 20, 21, 30)), atol=1e-2)


def test_rope_knows_distances_only():
    model = new_solver(Shape(), 0).eval()
    assert torch.allclose(scores(model, "29+57=86$"), scores(model, "29+57=86$", tuple(range(50, 59))), atol=1e-3)


def test_a_window_hides_what_is_outside_it():
    model = new_solver(Shape(layers=1, rope=(True,), window=(4,)), 0).eval()
    a, b = scores(model, "29+57=86$"), scores(model, "99+57=86$")
    assert not torch.allclose(a[2], b[2], atol=1e-3) and torch.allclose(a[4:], b[4:], atol=1e-5)


def test_same_seed_same_weights_other_seed_others():
    runs = [train_solver(drawing(Written(), (1, 2)), Plan(steps=4, characters=128, seed=s)).losses for s in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]


# --- problems -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("how", [w for w, _ in WAYS.values()] + [Written(backwards=True), Written(labels=True, upper=True, gaps=True), Written(interleaved=True, labels=True)], ids=str)
def test_every_way_of_writing_holds_the_right_answer(how):
    for digits in range(1, 9):
        for seed in range(10):
            e, (a, b) = check_example(how(random.Random(seed), digits)), addition.draw_pair(random.Random(seed), digits)
            assert price.answer_number(e.target, how) == a + b
            assert addition.error_kind(e, e.target) is None


def test_steps_add_up():
    for seed in range(200):
        e = addition.write_scratchpad(random.Random(seed), 1 + seed % 8)
        for x, y, carry, total in (m.groups()[1:] for m in addition.STEP.finditer(e.target)): assert int(x) + int(y) + int(carry) == int(total)


# --- the shipped runs ---------------------------------------------------------------------------------------------------

def test_every_shipped_run_belongs_to_a_condition_and_comes_once():
    conditions, runs = ADDITION + INTERVENTIONS + REPAIRS + TRACES, read_runs()
    assert len({c.name for c in conditions}) == len(conditions)
    keys = [(r["condition"], r["seed"]) for r in runs]
    assert len(set(keys)) == len(keys)
    known = [r for c in conditions for r in find_runs(runs, c)]
    assert len(known) == len(runs), "a run whose settings are not those of its condition: python benchmarks/scratchpads.py makes it again"
    for r in runs:
        assert {int(s) for s in r["right"]} == {*TRAINED, *BEYOND} and all(0 <= k <= n for k, n in r["right"].values())
        for size, (right, asked) in r["exact"].items(): assert right <= r["right"][size][0] or not r["kinds"], "a fully right target has a right answer"


def test_shipped_bills_are_the_planned_ones():
    runs = read_runs()
    for c in (SCRATCHPAD, ADDITION[1]):
        first = find_runs(runs, c)[0]
        assert {k: first["bill"][k] for k in ("characters", "learned", "flops")} == planned(c)[-1]


def test_the_controls_read_work_or_learn_at_least_as_much():
    runs = read_runs()
    mine = find_runs(runs, SCRATCHPAD)[0]["bill"]
    reading, learning, deep = (find_runs(runs, c)[0]["bill"] for c in ADDITION[1:])
    assert reading["characters"] >= mine["characters"] and reading["flops"] >= mine["flops"]
    assert learning["learned"] >= mine["learned"] and deep["flops"] >= 3 * mine["flops"]


def test_each_claim_gives_one_result_for_the_ledger():
    for f, id in ((addition.claim_scratchpad, "scratchpad"), (addition.claim_ood, "ood"), (lengths.claim_ood_why, "ood-why"), (price.claim_scratch_price, "scratch-price")):
        result = f()
        assert result.id == id and result.low <= result.estimate <= result.high and result.note


# --- the scorer, attacked -----------------------------------------------------------------------------------------------

HOSTILE = [lambda a, b: a + b, None, [], "{}", {"written": object()}, {"written": {"labels": lambda: 1}}, {"shape": {"layers": 10**9}}, {"shape": {"hidden": 10**6}}, {"shape": {"hidden": 63}}, {"shape": {"heads": 0}}, {"shape": {"layers": -1}},
           {"shape": {"layers": True}}, {"shape": {"rope": [True] * 60}}, {"shape": {"window": [10**30] * 3}}, {"shape": {"window": [4, 8, 0]}}, {"shape": {"rope": "yes"}}, {"plan": {"learning_rate": float("nan")}}, {"plan": {"learning_rate": 1e400}},
           {"plan": {"steps": 10**6}}, {"plan": {"characters": 10**6}}, {"plan": {"seed": 1}}, {"plan": {"optimizer": "os.system"}}, {"plan": "fast"}, {"plan": {"rate": 1}}, {"sizes": []}, {"sizes": [5]}, {"sizes": [0]}, {"sizes": ["1"]}, {"sizes": [1.5]},
           {"sizes": [1] * 10_000}, {"written": {"pool": 3, "labels": True}}, {"written": {"scattered": 10}}, {"written": {"scattered": 10**9}}, {"written": {"operands": True}}, {"written": {"__call__": "x"}}, {"write": "a+b"}, {1: 2}]


@pytest.mark.parametrize("entry", HOSTILE, ids=[f"entry {i}" for i in range(len(HOSTILE))])
def test_hostile_entries_are_refused_in_one_sentence(entry):
    with pytest.raises(ValueError) as e: read_entry(entry)
    assert "\n" not in str(e.value) and len(str(e.value)) < 300


def test_too_deep_data_is_refused():
    deep = []
    for _ in range(100_000): deep = [deep]
    with pytest.raises(ValueError, match="plain data"): read_entry({"sizes": deep})


def test_the_scorer_decodes_and_compares_with_its_own_sums(monkeypatch):
    tiny = Limits(steps=2, digits=1, beyond=1)
    add = lambda prompt: sum(map(int, prompt.rstrip("=").split("+")))
    monkeypatch.setattr(price, "greedy_outputs", lambda model, problems: [f"#{add(e.prompt)}$" for e in problems])
    assert score_ood({"sizes": [1]}, n=10, limits=tiny).score.estimate == 1
    monkeypatch.setattr(price, "greedy_outputs", lambda model, problems: [f"#{add(e.prompt) + 1}$" for e in problems])
    assert score_ood({"sizes": [1]}, n=10, limits=tiny).score.estimate == 0


def test_the_scorer_gives_the_model_prompts_only(monkeypatch):
    seen = []
    keep = price.greedy_outputs
    def look(model, problems):
        blind = [e._replace(target="?" * (len(e.target) - 1) + END) for e in problems]  # the same lengths, no answers
        first, second = keep(model, problems), keep(model, blind)
        seen.append(first == second)
        return first
    monkeypatch.setattr(price, "greedy_outputs", look)
    score_ood({"sizes": [1], "written": {"padded": True, "operands": True, "answers": True}}, n=10, limits=Limits(steps=30, digits=1, beyond=1))
    assert seen and all(seen)


def test_same_entry_same_score_and_two_seeds_are_reported():
    entry, tiny = {"sizes": [1, 2]}, Limits(steps=5, digits=2, beyond=1)
    first, again = score_ood(entry, n=8, limits=tiny), score_ood(json.loads(json.dumps(entry)), n=8, limits=tiny)
    assert first.shares == again.shares and first.bill["steps"] == 5
    both = score_ood(entry, (0, 1), n=8, limits=tiny)
    assert both.seeds == (0, 1) and "2 seed(s)" in str(both)


def test_limits_of_time_and_memory_stop_a_training():
    with pytest.raises(ValueError, match="processor time"): score_ood({}, limits=Limits(seconds=.001))
    if price.peak_memory() is not None:
        with pytest.raises(ValueError, match="MB"): score_ood({}, limits=Limits(memory=-1.))


# --- the endpoint -------------------------------------------------------------------------------------------------------

@contextmanager
def server(answer, status=lambda n, tries: 200):
    "A local endpoint: `answer(prompt, n)` is the text of request n; `status(n, tries)` its HTTP status when the same prompt came `tries` times before."
    count, asked, lock = [0], Counter(), threading.Lock()
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args): pass
        def do_POST(self):
            prompt = json.loads(self.rfile.read(int(self.headers["content-length"])))["messages"][0]["content"]
            with lock: code = status(count[0] + 1, asked[prompt]); count[0] += 1; asked[prompt] += 1; n = count[0]
            text = answer(prompt, n)
            body = {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}], "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}}
            data = json.dumps(body if code == 200 else {"error": {"message": "no", "code": "x"}}).encode()
            self.send_response(code); self.send_header("content-type", "application/json"); self.send_header("content-length", str(len(data))); self.end_headers(); self.wfile.write(data)
    s = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=s.serve_forever, daemon=True).start()
    try: yield f"http://127.0.0.1:{s.server_port}/v1", count
    finally: s.shutdown(); s.server_close()


def adder(prompt, n):
    a, b = prompt.rpartition("\n")[2].rstrip("=").split("+")
    return f"{int(a) + int(b)}$"


def test_a_calculator_gets_everything_right_and_failures_are_tried_again(tmp_path):
    asks = fewshot.make_asks("addition", (1, 3), 5)
    with server(adder, lambda n, tries: {0: 429, 1: 503}.get(tries, 200)) as (url, count):
        teacher = Teacher(url, "k", "m", first_pause=.001)
        replies = fewshot.ask_all(teacher, asks, tmp_path / "log.jsonl", {"seed": 0})
    assert len(replies) == len(asks) and count[0] == len(asks) + teacher.usage.retries
    assert teacher.usage.retries == 2 * len({ask.prompt for ask in asks})
    assert all(share.estimate == 1 for shares in fewshot.few_shot_table(asks, replies).values() for share in shares.values())


@pytest.mark.parametrize("text", ["", "$", "#", "no idea", "```", "\n\n", "12 + 34", "#$#$#$", "9" * 5000, "\ud83e\udd99", "<script>", "=" * 100 + "$"])
def test_nonsense_is_wrong_not_an_error(tmp_path, text):
    asks = fewshot.make_asks("addition", (4,), 2)
    with server(lambda prompt, n: text) as (url, _):
        replies = fewshot.ask_all(Teacher(url, "k", "m", first_pause=.001), asks, tmp_path / "log.jsonl", {})
    assert all(share.estimate == 0 for shares in fewshot.few_shot_table(asks, replies).values() for share in shares.values())


def test_a_refusal_stops_and_the_next_call_goes_on(tmp_path):
    asks, log = fewshot.make_asks("addition", (1,), 10), tmp_path / "log.jsonl"
    with server(adder, lambda n, tries: 401 if n > 6 else 200) as (url, count):
        with pytest.raises(TeacherError) as e: fewshot.ask_all(Teacher(url, "k", "m", first_pause=.001), asks, log, {}, concurrency=1)
    assert e.value.kind == "auth"
    kept = sum('"request"' in line for line in log.read_text().splitlines())
    assert kept == 6
    with server(adder) as (url, count):
        replies = fewshot.ask_all(Teacher(url, "k", "m"), asks, log, {})
        assert count[0] == len(asks) - kept and len(replies) == len(asks)


def test_a_torn_log_goes_on_and_another_model_is_refused(tmp_path):
    asks, log = fewshot.make_asks("addition", (1,), 3), tmp_path / "log.jsonl"
    with server(adder) as (url, count):
        fewshot.ask_all(Teacher(url, "k", "m"), asks, log, {})
        log.write_bytes(log.read_bytes()[:-20])
        fewshot.ask_all(Teacher(url, "k", "m"), asks, log, {})
        assert count[0] == len(asks) + 1
        with pytest.raises(ValueError, match="model is 'm' there"): fewshot.ask_all(Teacher(url, "k", "other"), asks, log, {})


def test_a_budget_holds_over_calls(tmp_path):
    asks, log = fewshot.make_asks("addition", (2,), 10), tmp_path / "log.jsonl"
    with server(adder) as (url, count):
        for _ in range(2):
            with pytest.raises(TeacherError) as e: fewshot.ask_all(Teacher(url, "k", "m"), asks, log, {}, Budget(tokens=520), concurrency=1)
            assert e.value.kind == "budget"
        assert 0 < count[0] < len(asks)


def test_readable_programs_print_their_answers_and_both_formats_ask_the_same():
    for seed in range(40):
        direct, steps = (w(random.Random(seed), 3 + seed % 8) for w in (fewshot.write_program, fewshot.write_program_steps))
        source, printed = direct.prompt.removesuffix("\nprints "), []
        exec(source, {"print": printed.append})
        assert steps.prompt.startswith(source) and direct.answer == steps.answer == str(printed[0])


def test_the_command_is_quick_to_explain_itself_and_needs_no_torch():
    code = "import argparse, sys; from alpaca_course.fewshot import scratchpad_arguments as f; f(argparse.ArgumentParser()); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_command_without_an_endpoint_trains_and_prints(capsys):
    import argparse
    parser = argparse.ArgumentParser()
    fewshot.scratchpad_arguments(parser)
    assert fewshot.scratchpad_command(parser.parse_args(["--steps", "3", "--n", "4", "--sizes", "1", "5"])) in (0, None)
    printed = capsys.readouterr().out
    assert printed.count("5 digits") == 3 and printed.count("not trained") == 3


def test_the_command_with_an_endpoint(tmp_path, monkeypatch, capsys):
    import argparse
    parser = argparse.ArgumentParser()
    fewshot.scratchpad_arguments(parser)
    monkeypatch.chdir(tmp_path); monkeypatch.setenv("OPENAI_API_KEY", "k")
    with server(adder) as (url, _): fewshot.scratchpad_command(parser.parse_args(["--endpoint", url, "--model", "a/b", "--n", "3", "--sizes", "2"]))
    printed = capsys.readouterr().out
    assert "direct      size 2: 1.000" in printed and (tmp_path / "scratchpad-addition-a-b.jsonl").exists()
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(TeacherError, match="OPENAI_API_KEY"): fewshot.scratchpad_command(parser.parse_args(["--endpoint", url, "--model", "m"]))
