"""The batch beside nbgrader 0.9.6, same notebooks, same machine, one run: `python benchmarks/autograde.py --nbgrader VENV/bin/nbgrader`.

VENV is a virtual environment of its own, since nbgrader pins other versions of Jupyter than the course: `python -m venv VENV; VENV/bin/pip install nbgrader==0.9.6`.
Both grade the same class: one notebook serves both, as it carries our markers in its text and nbgrader's in its metadata. Half of the class is right, a quarter half right, a quarter blank.
nbgrader 0.9.6 runs `nbgrader autograde` on the whole class, one command, one notebook after the other, with no isolation; ours runs with its sandbox on, once with one worker and once with two.
Times are by the clock and hold the start of each program; runs alternate, and the ratio is of medians. Both must agree on who is right and who is blank.
Then, ours alone: `--class 500` submissions of that assignment, and `--torch 20` of one whose question trains a small network. Without --nbgrader only these two."""
import argparse, json, os, random, shutil, sqlite3, statistics, subprocess, sys, tempfile, time
from pathlib import Path

MEAN = "#| q: mean points=4\ndef mean(xs):\n    'The mean of a list of numbers.'\n"
COUNTS = "#| q: counts points=4\ndef counts(text):\n    'How often each word of a text comes.'\n"
RIGHT = dict(mean="    return sum(xs) / len(xs)\n", counts="    words = text.lower().split()\n    return {w: words.count(w) for w in words}\n")
TESTS = dict(mean=("assert mean([2, 4]) == 3\nassert mean([5]) == 5\n", "assert mean([1, 2, 6]) == 3\nassert mean([0.5, 1.5]) == 1\n"),
             counts=("assert counts('a b a') == {'a': 2, 'b': 1}\nassert counts('') == {}\n", "assert counts('The the') == {'the': 2}\nassert counts('x') == {'x': 1}\n"))
RUBRIC = "assignment: ps1\ntitle: PS1\nquestions:\n  mean: {points: 4, kind: code, title: Mean}\n  counts: {points: 4, kind: code, title: Counts}\n"
TORCH = "#| q: fit points=2 seconds=10 torch\ndef fit(xs, ys):\n    'Slope and intercept by gradient descent.'\n"
FIT = """    import torch
    torch.manual_seed(0)
    x, y = torch.tensor(xs)[:, None], torch.tensor(ys)[:, None]
    net = torch.nn.Linear(1, 1)
    optimizer = torch.optim.Adam(net.parameters(), lr=.1)
    for _ in range(150):
        loss = torch.nn.functional.mse_loss(net(x), y)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    return [round(net.weight.item(), 1), round(net.bias.item(), 1)]
"""
TORCH_RUBRIC = "assignment: fit\ntitle: Fit\nquestions:\n  fit: {points: 2, kind: code, title: Fit}\n"


def cell(source, name, **nbgrader):
    meta = dict(nbgrader=dict(grade_id=name, schema_version=3, task=False, **nbgrader)) if nbgrader else {}
    return dict(cell_type="code", id=name.replace("_", "-"), source=source, metadata=meta, outputs=[], execution_count=None)


def notebook(cells): return json.dumps(dict(cells=cells, metadata=dict(kernelspec=dict(name="python3", display_name="python3", language="python")), nbformat=4, nbformat_minor=5))
def question(head, body, name): return cell(head + body, name, grade=False, solution=True, locked=False)
def tests(name, visible, hidden=""): return cell(f"#| test: {name}\n{visible}{hidden}", f"test_{name}", grade=True, solution=False, locked=True, points=4)


def master(): return notebook([c for name, head in dict(mean=MEAN, counts=COUNTS).items() for c in (
    question(head, f"    #| solution\n    ### BEGIN SOLUTION\n{RIGHT[name]}    ### END SOLUTION\n    #| end", name),
    tests(name, TESTS[name][0], f"#| hidden\n### BEGIN HIDDEN TESTS\n{TESTS[name][1]}### END HIDDEN TESTS\n#| end"))])


def student(solved): return notebook([c for name, head in dict(mean=MEAN, counts=COUNTS).items() for c in (
    question(head, RIGHT[name] if name in solved else "    raise NotImplementedError()\n", name), tests(name, TESTS[name][0]))])


def kind_of(i): return [("mean", "counts"), ("mean", "counts"), ("mean",), ()][i % 4]


def our_class(folder, n):
    folder.mkdir(parents=True)
    (folder / "ps1.ipynb").write_text(master()); (folder / "rubric.yaml").write_text(RUBRIC); (folder / "in").mkdir()
    for i in range(n): (folder / "in" / f"s{i:03}.ipynb").write_text(student(kind_of(i)).replace('"metadata": {"kernelspec"', f'"metadata": {{"student": {i}, "kernelspec"'))


COMMAND = "import argparse, sys\nfrom alpaca_course.grading.autograde import autograde_arguments, autograde_command\np = argparse.ArgumentParser(); autograde_arguments(p); sys.exit(autograde_command(p.parse_args()))"
def ours(folder, master_file, workers):
    "Seconds by the clock and scores of one batch into a fresh folder."
    out = folder / f"out{random.randrange(10**9)}"
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", COMMAND, "--master", folder / master_file, "--rubric", folder / "rubric.yaml", "--submissions", folder / "in", "--out", out, "--workers", str(workers)], check=True, capture_output=True)
    return time.perf_counter() - begin, {r["submission"]: r["score"] for r in json.loads((out / "summary.json").read_text())["results"]}


def their_class(folder, n, program):
    "A course folder for nbgrader with the same notebooks, its assignment generated."
    for place in ["source/ps1", *[f"submitted/s{i:03}/ps1" for i in range(n)]]: (folder / place).mkdir(parents=True)
    (folder / "nbgrader_config.py").write_text("c = get_config()\nc.CourseDirectory.course_id = 'demo'\n")
    (folder / "source/ps1/ps1.ipynb").write_text(master())
    for i in range(n): (folder / f"submitted/s{i:03}/ps1/ps1.ipynb").write_text(student(kind_of(i)))
    call(folder, program, "generate_assignment", "ps1")


def call(folder, program, *words):
    env = os.environ | dict(PATH=f"{Path(program).parent}:{os.environ['PATH']}", HOME=str(folder))
    run = subprocess.run([program, *words], cwd=folder, env=env, capture_output=True, text=True)
    if run.returncode: sys.exit(f"nbgrader {' '.join(words)} failed:\n{run.stderr[-2000:]}")


def theirs(folder, program):
    "Seconds and scores of `nbgrader autograde`, from nothing."
    shutil.rmtree(folder / "autograded", ignore_errors=True)
    begin = time.perf_counter()
    call(folder, program, "autograde", "ps1", "--force")
    seconds = time.perf_counter() - begin
    rows = sqlite3.connect(folder / "gradebook.db").execute("select s.student_id, sum(g.auto_score) from submitted_assignment s join submitted_notebook n on n.assignment_id = s.id join grade g on g.notebook_id = n.id group by 1")
    return seconds, dict(rows.fetchall())


def beside(given, top):
    "Both on one class, in turns."
    our_class(top / "ours", given.submissions); (top / "theirs").mkdir(); their_class(top / "theirs", given.submissions, given.nbgrader)
    times = {"nbgrader": [], "ours, 1 worker": [], "ours, 2 workers": []}
    for turn in range(given.turns):
        for name, run in {"nbgrader": lambda: theirs(top / "theirs", given.nbgrader), "ours, 1 worker": lambda: ours(top / "ours", "ps1.ipynb", 1), "ours, 2 workers": lambda: ours(top / "ours", "ps1.ipynb", 2)}.items():
            seconds, scores = run()
            sure = {name: points for name, points in scores.items() if len(kind_of(int(name[1:]))) != 1}
            assert all(points == 4 * len(kind_of(int(name[1:]))) for name, points in sure.items()) and len(scores) == given.submissions, (name, scores)
            times[name].append(seconds / given.submissions)
            print(f"turn {turn + 1}: {name:16} {seconds:6.1f} s, {times[name][-1]:.3f} s a submission, load {os.getloadavg()[0]:.1f}", flush=True)
    middle = {name: statistics.median(each) for name, each in times.items()}
    for name in ("ours, 1 worker", "ours, 2 workers"): print(f"{name}: {middle['nbgrader'] / middle[name]:.1f} times faster than nbgrader (medians of {given.turns} turns of {given.submissions} submissions; aim: 5)")


def large(n, top):
    our_class(top / "large", n)
    seconds, scores = ours(top / "large", "ps1.ipynb", 2)
    assert len(scores) == n and sum(scores.values()) == sum(4 * len(kind_of(i)) for i in range(n))
    print(f"{n} submissions, 2 workers: {seconds:.0f} s, {seconds / n:.3f} s each, load {os.getloadavg()[0]:.1f} (aim: 500 under 180 s)", flush=True)


def with_torch(n, top):
    folder = top / "torch"; (folder / "in").mkdir(parents=True)
    test = "#| test: fit\nassert fit([0., 1., 2., 3.], [1., 3., 5., 7.]) == [2.0, 1.0]\n#| hidden\nassert fit([0., 1., 2.], [0., -1., -2.])[0] == -1.0\n#| end"
    (folder / "fit.ipynb").write_text(notebook([cell(TORCH + "    #| solution\n" + FIT + "    #| end", "fit"), cell(test, "t")])); (folder / "rubric.yaml").write_text(TORCH_RUBRIC)
    for i in range(n): (folder / "in" / f"s{i:03}.ipynb").write_text(notebook([cell(TORCH + (FIT if i % 4 else "    raise NotImplementedError\n"), "fit"), cell(f"import torch\nx = torch.ones({i + 1})", "x")]))
    for workers in (1, 2):
        seconds, scores = ours(folder, "fit.ipynb", workers)
        assert all(scores[f"s{i:03}"] == 2 * bool(i % 4) for i in range(n)), scores
        print(f"{n} submissions that train with torch, {workers} worker(s): {seconds:.0f} s, {seconds / n:.2f} s each, import of torch included, load {os.getloadavg()[0]:.1f} (aim: 1.5 s)", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nbgrader", help="path of nbgrader's program in its own virtual environment")
    parser.add_argument("--submissions", type=int, default=12); parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--class", dest="size", type=int, default=500); parser.add_argument("--torch", type=int, default=20)
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start")
    with tempfile.TemporaryDirectory() as top:
        if given.nbgrader: beside(given, Path(top))
        if given.size: large(given.size, Path(top))
        if given.torch: with_torch(given.torch, Path(top))


if __name__ == "__main__": main()
