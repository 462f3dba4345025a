"""Polynomials and programs: oracles for what is computed, hostile text, bounded generation, and the shipped model and runs."""
import importlib.util, json, os, random, re, subprocess, sys
from dataclasses import replace
from pathlib import Path

import pytest

from alpaca_course.addition import find_runs, read_runs
from alpaca_course.microworld import data_folder
from alpaca_course.polynomials import MODULO, POLYNOMIALS, Polynomials, majority
from alpaca_course.polynomials import RUNS as POLYNOMIAL_RUNS
from alpaca_course.programs import DIRECT, LINES, MODEL, MORE, PLACES, PROGRAMS, RUNS, TRACE, WORK, joined, load_solver, mistake, solver_card, wrong_row, write_states
from alpaca_course.scratchpad import answered, check_example, greedy_outputs, test_set
from alpaca_course.tracing import ADDRESSES, LONGEST, Step, listing, random_program, read_trace, run_traced, write_direct, write_trace

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "programs.py"


# polynomials
@pytest.mark.parametrize("modulus", [0, 10])
def test_answers_are_what_python_says_of_the_prompt(modulus):
    for i in range(300):
        e = check_example(Polynomials(modulus=modulus)(random.Random(i), 1 + i % 6))
        text, x = e.prompt[:-1].split(",x=")
        total = eval(re.sub(r"x(\d)", rf"*({x})**\1", text))
        assert int(e.answer) == (total % modulus if modulus else total)
        assert e.answer == Polynomials(False, modulus)(random.Random(i), 1 + i % 6).answer


def test_every_equation_of_the_working_holds():
    for modulus in (0, 10):
        for i in range(200):
            steps = re.sub(r"[^;]*?:", "", Polynomials(modulus=modulus)(random.Random(i), 3).target.split("#")[0])
            for left, right in re.findall(r"([-+*\d]+)=(-?\d+)", steps):
                value = eval(left)
                assert int(right) == (value % modulus if modulus else value)


def test_a_degree_asked_for_is_there_and_the_others_are_known():
    for i in range(200):
        e = Polynomials(must=4)(random.Random(i), 1 + i % 5)
        degrees = re.findall(r"x(\d)", e.prompt)
        assert degrees.count("4") == 1 and set(degrees) <= set("01234")
    assert majority(test_set(Polynomials(), (2,), 50))[2].n == 50


# programs: what is run, and that it ends
HOSTILE = ["import os", "a=a*b", "a=b", "a=a+b;b=b+a", "a=a+\u0663", "a=a+12", "  a=a+1", "\ta=a+1", "a=a+1 ", "a=a+1\r", "while True:", "while a<b: a=a+1", "if a>b:", "print(a)", "a.b=a+1", "_=a+1", "A=a+1", "", "#a", "a=(a+1)"]


@pytest.mark.parametrize("line", HOSTILE)
def test_no_other_text_is_run(line):
    with pytest.raises(ValueError, match="line 2"): run_traced(f"a,b,c=1,2,3\n{line}\nprint(a)")


@pytest.mark.parametrize("source", ["", "print(a)", "a,b,c=1,2,3", "a,b,c=1,2,3\nprint(a)\n", "a,b,c=1,2,33\nprint(a)", "a,b,c=1,2,3\nprint(d)", "a,b,c=1,2,3\nprint(a);print(b)"])
def test_first_and_last_line_are_checked(source):
    with pytest.raises(ValueError, match="line [123]"): run_traced(source)


@pytest.mark.parametrize("body", ["while a<b:\nb=b+1", " a=a+1", "if a<b:", "if a<b:\nif a<c:\n a=a+1"])
def test_wrong_indentation_is_a_plain_error(body):
    with pytest.raises(ValueError, match="Python cannot read it"): run_traced(f"a,b,c=1,2,3\n{body}\nprint(a)")


def test_a_loop_without_end_is_stopped_and_the_tracer_put_back():
    def mine(*args): return None
    before = sys.gettrace()
    sys.settrace(mine)
    try:
        with pytest.raises(ValueError, match="more than 50 steps"): run_traced("a,b,c=1,2,3\nwhile a<b:\n b=b+b\nprint(a)", most=50)
        assert sys.gettrace() is mine
        run_traced("a,b,c=1,2,3\nprint(a)")
        assert sys.gettrace() is mine
    finally: sys.settrace(before)


def by_hand(source):
    "An interpreter of its own: (steps, printed), written without the course's."
    lines, at, steps = source.split("\n"), 0, []
    env = dict(zip("abc", map(int, lines[0].split("=")[1].split(","))))
    steps.append((1, tuple(env.values())))
    number = 1
    def get(word): return int(word) if word.isdigit() else env[word]
    while number < len(lines):
        line = lines[number]; number_now = number + 1
        if line.startswith("print"):
            steps.append((number_now, tuple(env.values()))); return steps, [env[line[6]]]
        if line.startswith(("if", "while")):
            left, right = line.split()[1].rstrip(":").split("<")
            end = number + 1
            while lines[end].startswith(" "): end += 1
            steps.append((number_now, tuple(env.values())))
            number = number + 1 if get(left) < get(right) else end
            continue
        target, right = line.strip().split("=")
        x, sign, y = re.fullmatch(r"(.)([+-])(.)", right).groups()
        env[target] = get(x) + get(y) if sign == "+" else get(x) - get(y)
        steps.append((number_now, tuple(env.values())))
        number += 1
        if line.startswith(" ") and not lines[number].startswith(" "):
            head = max(i for i in range(number) if not lines[i].startswith(" "))
            if lines[head].startswith("while"): number = head
    raise AssertionError("no print")


def test_the_interpreter_says_what_an_interpreter_by_hand_says():
    for i in range(600):
        p = random_program(random.Random(i), 3 + i % 11)
        steps, printed = by_hand(p.source)
        assert [tuple(s) for s in p.run.steps] == steps and p.run.printed == printed, p.source
        out = []
        exec(p.source, {"__builtins__": {"print": out.append}})
        assert out == printed


def test_every_program_is_mixed_bounded_and_one_digit():
    for i in range(600):
        lines = 6 + i % 8
        p = random_program(random.Random(f"m{i}"), lines)
        assert len(p.source.split("\n")) == lines and "if " in p.source and "while " in p.source and re.search("^ ?[abc]=", p.source, re.M)
        assert len(p.run.steps) <= 15 and all(0 <= v <= 9 for s in p.run.steps for v in s.state)


class Stuck(random.Random):
    "Always the same choice."
    def __init__(self, at): super().__init__(0); self.at = at
    def random(self): return self.at
    def _randbelow(self, n): return int(self.at * n)


@pytest.mark.parametrize("at", [0., .3, .5, .7, .999])
def test_the_maker_gives_up_instead_of_looping(at):
    try: p = random_program(Stuck(at), 8, tries=50)
    except ValueError as e: assert "in 50 tries" in str(e)
    else: assert len(p.source.split("\n")) == 8


@pytest.mark.parametrize("lines", [-1, 0, 2, LONGEST + 1])
def test_lengths_are_checked(lines):
    with pytest.raises(ValueError, match="3 to 13 lines"): random_program(random.Random(0), lines)


def test_traces_read_back_as_the_interpreters_steps():
    for i in range(400):
        lines = 3 + i % 11
        e, p = check_example(write_trace(random.Random(i), lines)), random_program(random.Random(i), lines)
        assert read_trace(e.target) == [Step(*s) for s in p.run.steps[1:-1]]
        assert e.prompt == listing(p.source) == write_direct(random.Random(i), lines).prompt == write_states(random.Random(i), lines).prompt
        assert e.answer == write_direct(random.Random(i), lines).answer == write_states(random.Random(i), lines).answer == f"{p.source[-2]}{p.run.printed[0]}"


def test_two_programs_never_share_a_listing():
    seen = {}
    for i in range(2000):
        source = random_program(random.Random(f"l{i}"), 3 + i % 6).source
        assert seen.setdefault(listing(source), source) == source
    assert len(ADDRESSES) == len(set(ADDRESSES)) and not set(ADDRESSES) & set("abcT0123456789")


def test_every_place_of_a_trace_has_a_kind_of_mistake():
    for i in range(20):
        e = write_trace(random.Random(i), 7)
        for place in range(len(e.target)):
            bad = e.target[:place] + "~" + e.target[place + 1:]
            assert mistake(e, bad) in set(PLACES.values()) | {"answer"}
            assert wrong_row(e, bad).endswith("^")
        assert mistake(e, e.target) is None and mistake(e, e.target[:-1]) == "answer"


# what is shipped
def test_the_shipped_model_is_what_its_card_says_and_answers_fresh_programs():
    folder = data_folder() / MODEL
    model, recipe = load_solver(folder)
    assert sum(f.stat().st_size for f in folder.iterdir()) < 2_000_000
    assert solver_card(recipe) == (folder / "README.md").read_text(encoding="utf-8")
    line = next(r for r in find_runs(read_runs(data_folder() / RUNS), TRACE) if r["seed"] == 0)
    assert recipe["bill"] == line["bill"]
    fresh = test_set(write_trace, LINES, 10, "test file")
    assert sum(answered(greedy_outputs(model, fresh), fresh)) >= 28  # of 40; 0.8 expected at the worst length, so fewer would be a broken file


def test_runs_show_what_the_lesson_says():
    runs = [joined(r) for r in read_runs(data_folder() / RUNS)]
    ours, theirs = ([r["right"]["all"] for r in find_runs(runs, c)] for c in (TRACE, DIRECT))
    assert ours and theirs
    assert sum(k for k, _ in ours) / sum(n for _, n in ours) >= .80 and sum(k for k, _ in theirs) / sum(n for _, n in theirs) <= .45
    assert all(set(r["right"]) == {*map(str, LINES + MORE), "all"} for r in runs)
    for condition, kind in ((DIRECT, "characters"), (WORK, "flops")):
        for r in find_runs(runs, condition): assert r["bill"][kind] >= max(t["bill"][kind] for t in find_runs(runs, TRACE))


def test_polynomial_runs_belong_to_the_conditions():
    runs = read_runs(data_folder() / POLYNOMIAL_RUNS)
    assert all(any(find_runs([r], c) for c in POLYNOMIALS) for r in runs)
    steps, direct = (find_runs(runs, c) for c in MODULO)
    assert steps and direct and min(r["bill"]["characters"] for r in direct) >= max(r["bill"]["characters"] for r in steps)


def benchmark():
    spec = importlib.util.spec_from_file_location("benchmark_programs", BENCHMARK)
    module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module)
    return module


def test_the_benchmark_goes_on_and_drops_lines_of_old_settings(tmp_path):
    lines = (data_folder() / RUNS).read_text().splitlines()
    old = json.loads(lines[0]); old["settings"]["plan"]["steps"] = 1
    path = tmp_path / "runs.jsonl"; path.write_text(lines[0] + "\n" + json.dumps(old) + "\n")
    first = json.loads(lines[0])
    todo = benchmark().missing(path, PROGRAMS, 2)
    assert len(path.read_text().splitlines()) == 1 and len(todo) == 2 * len(PROGRAMS) - 1
    assert (first["condition"], first["seed"]) not in {(c.name, s) for _, c, s in todo}


def test_listing_the_benchmark_trains_nothing(tmp_path):
    done = subprocess.run([sys.executable, BENCHMARK, "--list", "--out", tmp_path, "--seeds", "1"], capture_output=True, text=True, timeout=900, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    assert f"{len(PROGRAMS) + len(POLYNOMIALS)} runs to do" in done.stdout
