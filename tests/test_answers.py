"""Answers found in documents of many shapes: shares with intervals, sureness, and hand-made documents that aim at the aligner's weak spots."""
import json, re, subprocess, sys, time
from types import SimpleNamespace as Fake

import pytest
from rapidfuzz import fuzz

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from answer_styles import DEVELOPED, FRESH, HELD_OUT, truth
from alpaca_course.grading import cohort as c
from alpaca_course.grading.answers import LEFT, NONE, TWICE, find_answers
from alpaca_course.grading.assignment import find_assignment, read_assignment
from alpaca_course.grading.texts import docx_lines, read_document, whole_pages, text_lines
from alpaca_course.statistics import wilson

READING = read_assignment(find_assignment("reading"))
PUPILS = [p for p in c.read_cohort() if p.id not in ("s11", "s17", "s26", "s41", "s54")]  # blank, off topic, or nothing but the question


def same(got, want):
    "Whether the answer came back, at most with a title of the student's own before it."
    a, b = c.squeezed(got), c.squeezed(want)
    return a == b or fuzz.ratio(a, b) >= 96 or bool(b) and a.endswith(b) and len(a) - len(b) <= 60


def measure(styles, folder, step):
    "(style, right, sure) of every question in the documents of these styles."
    out = []
    for style, make in styles.items():
        for p in PUPILS[::step]:
            texts = [p.answers[q.name] for q in READING.questions]
            name, data = make(texts, READING.questions)
            path = folder / f"{style}-{p.id}-{name}"
            path.write_bytes(data)
            got = find_answers(READING, path)
            for q, want in zip(READING.questions, truth(style, texts)):
                mine = [g for g in got if g.question == q.name]
                out.append((style, len(mine) == 1 and same(mine[0].text, want), bool(mine) and all(g.sure for g in mine)))
    return out


@pytest.mark.parametrize("styles, least, least_sure, wrong_and_sure", [(DEVELOPED, .95, .9, .01), (HELD_OUT, .90, .8, .01), (FRESH, .85, .9, .02)], ids=["developed", "held out", "fresh"])
def test_styles(styles, least, least_sure, wrong_and_sure, tmp_path):
    found = measure(styles, tmp_path, 14)
    sure = [right for _, right, s in found if s]
    share, wrong = wilson(sum(r for _, r, _ in found), len(found)), wilson(len(sure) - sum(sure), len(sure))
    print(f"\n{len(styles)} styles, {len(found)} answers: right {share}; sure {len(sure) / len(found):.2f}, of these wrong {wrong}")
    for style in styles:
        mine = [(r, s) for st, r, s in found if st == style]
        if not all(r for r, _ in mine): print(f"  {style}: {sum(r for r, _ in mine)} of {len(mine)} right, {sum(s for _, s in mine)} sure")
    assert share.estimate >= least and len(sure) >= least_sure * len(found) and wrong.estimate <= wrong_and_sure


def ask(name, prompt, solution, title=""): return Fake(name=name, kind="text", title=title, prompt=prompt, solution=solution, released=prompt, cell_id="cell-" + name)
SMALL = Fake(name="small", cells=[], questions=[
    ask("synthetic", "The small model was tuned on texts that a larger model wrote. What are benefits and shortcomings of synthetic data?",
        "Generated examples are cheap, quick and plentiful. Errors and biases of the teacher are copied, and nobody can verify so many records; diversity is low."),
    ask("ethics", "Is it ethical to train on the outputs of somebody else's model? Give your own opinion.",
        "It depends on the terms of use, on commercial or academic purpose, on consent of the people who wrote the original texts, and on harm by competition."),
    ask("evaluation", "The authors ran a small human evaluation. What are its limits?",
        "Few comparisons, raters were the authors, narrow tasks without code or knowledge; preference is not correctness.")])
ONE = "Generated examples are cheap and quick, but the teacher's errors are copied and nobody can verify them."
TWO = "It depends on the terms of use; for academic research I find it fair, for commercial products I do not."
THREE = "Only few comparisons were made, the raters were the authors, and code or knowledge was never tested."

HAND = {  # name: (file name, text, wanted texts; None where the row must be unsure, '' where nothing may be found)
    "head and foot": ("a.txt", f"Sikei Dufistek\nModule 9\n12 March 2026\n\nQuestion 1\n{ONE}\n\nQuestion 2\n{TWO}\n\nQuestion 3\n{THREE}\n\nReferences\n1. Taori et al. 2023\n2. Wang et al. 2022\n", [ONE, TWO, THREE]),
    "page break in a sentence": ("a.txt", f"1. Synthetic data\n\n{ONE[:57]}\n\fSikei Dufistek   page 2\n{ONE[58:]}\n\n2. Ethics\n\n{TWO}\n\n3. Limits\n\n{THREE}\n", [ONE, TWO, THREE]),
    "page line in a sentence": ("a.txt", f"1. Synthetic data\n\n{ONE[:57]}\n\nPage 1 of 2\n\n{ONE[58:]}\n\n2. Ethics\n\n{TWO}\n\n3. Limits\n\n{THREE}\n", [ONE, TWO, THREE]),
    "tight lists": ("a.txt", f"1. {ONE} Also:\n1) price\n2) speed\n3) scale\n2. {TWO} Also:\n1) credit\n2) consent\n3. {THREE}", [f"{ONE} Also:\n1) price\n2) speed\n3) scale", f"{TWO} Also:\n1) credit\n2) consent", THREE]),
    "same style lists": ("a.txt", f"Question 1\n{ONE}\n1. price\n2. speed\n3. scale\n\nQuestion 2\n1. terms of use\n2. consent\n\nQuestion 3\n{THREE}", [f"{ONE}\n1. price\n2. speed\n3. scale", "1. terms of use\n2. consent", THREE]),
    "numbers in the text": ("a.txt", f"1. 2023 was a year of change. {ONE}\n\n2. 2 reasons: consent and terms of use.\n\n3. 90 against 89 with 5 raters is little. {THREE}", [f"2023 was a year of change. {ONE}", "2 reasons: consent and terms of use.", f"90 against 89 with 5 raters is little. {THREE}"]),
    "parts": ("a.txt", f"1a) {ONE}\n1b) Also the style is copied.\n2a) {TWO}\n2b) That is my opinion.\n3) {THREE}", [f"{ONE}\n1b) Also the style is copied.", f"{TWO}\n2b) That is my opinion.", THREE]),
    "letters inside": ("a.md", f"**Question 1**\n\na) {ONE}\n\nb) Also the style is copied.\n\n**Question 2**\n\n{TWO}\n\n**Question 3**\n\nA. {THREE}\nB. That is all.", [f"a) {ONE}\n\nb) Also the style is copied.", TWO, f"A. {THREE}\nB. That is all."]),
    "twice": ("a.txt", f"Question 1: {ONE}\n\nQuestion 2: No idea yet.\n\nQuestion 3: {THREE}\n\nQuestion 2 (again): {TWO}", [ONE, None, THREE]),
    "not at all": ("a.txt", f"Question 1: {ONE}\n\nQuestion 3: {THREE}", [ONE, "", THREE]),
    "empty label": ("a.txt", f"Question 1: {ONE}\n\nQuestion 2:\n\nQuestion 3: {THREE}", [ONE, "", THREE]),
    "other language": ("a.md", f"### Pregunta 1\n\n**Respuesta:** {ONE}\n\n### Pregunta 2\n\n**Respuesta:** {TWO}\n\n### Pregunta 3\n\n**Respuesta:** {THREE}", [ONE, TWO, THREE]),
    "quotes with wraps": ("a.txt", "> The small model was tuned on texts that a larger\n> model wrote. What are benefits and shortcomings of\n> synthetic data?\n\n" + ONE + "\n\n> Is it ethical to train on the outputs of somebody\n> else’s model? Give your own opinion.\n\n" + TWO + "\n\n> The authors ran a small human evaluation. What\n> are its limits?\n\n" + THREE, [ONE, TWO, THREE]),
    "nested html": ("a.html", f"<ol><li>{ONE}<ol><li>price</li><li>speed</li></ol></li><li>{TWO}</li><li>{THREE}</li></ol>", [f"{ONE}\n1. price\n2. speed", TWO, THREE]),
    "headings inside": ("a.md", f"# Question 1\n\n## Benefits\n\nGenerated examples are cheap and quick.\n\n## Shortcomings\n\nErrors are copied.\n\n# Question 2\n\n{TWO}\n\n# Question 3\n\n{THREE}", ["## Benefits\n\nGenerated examples are cheap and quick.\n\n## Shortcomings\n\nErrors are copied.", TWO, THREE]),
    "mentions": ("a.txt", f"Question 1: {ONE} See question 3 below.\n\nQuestion 2: As I said in Question 1, errors are copied. {TWO}\n\nQuestion 3: {THREE}", [f"{ONE} See question 3 below.", f"As I said in Question 1, errors are copied. {TWO}", THREE]),
    "code comment": ("a.md", f"1. {ONE}\n\n```\n# 2. not a heading\nx = 1\n```\n\n2. {TWO}\n\n3. {THREE}", [None, TWO, THREE]),
    "letter to the professor": ("a.txt", f"Dear professor,\nbelow are my answers. Sorry for the delay!\n\nQ1: {ONE}\n\nQ2: {TWO}\n\nQ3: {THREE}", [ONE, TWO, THREE]),
    "numbered from elsewhere": ("a.txt", f"Question 7. What are benefits and shortcomings of synthetic data?\n{ONE}\n\nQuestion 8. Is it ethical to train on the outputs of somebody else's model?\n{TWO}\n\nQuestion 9. The authors ran a small human evaluation. What are its limits?\n{THREE}", [ONE, TWO, THREE]),
    "invisible characters": ("a.txt", f"\u200bQ1\u200b. {ONE}\n\n\ufeffQ2. {TWO}\n\n\u202aQ3. {THREE}", [ONE, TWO, THREE]),
    "old encoding": ("a.txt", f"Question 1 – {ONE}\r\n\r\nQuestion 2 – {TWO}\r\n\r\nQuestion 3 – {THREE}\r\n".encode("cp1252"), [ONE, TWO, THREE]),
    "two bytes a letter": ("a.txt", f"Question 1\n{ONE}\n\nQuestion 2\n{TWO}\n\nQuestion 3\n{THREE}".encode("utf-16"), [ONE, TWO, THREE]),
    "questions listed first": ("a.md", "1. What are benefits and shortcomings of synthetic data?\n2. Is it ethical to train on the outputs of somebody else's model?\n3. The authors ran a small human evaluation. What are its limits?\n\n" + f"**Answer 1:** {ONE}\n\n**Answer 2:** {TWO}\n\n**Answer 3:** {THREE}", [ONE, TWO, THREE]),
    "answer lines only": ("a.md", f"**Answer**\n\n{ONE}\n\n**Answer**\n\n{TWO}\n\n**Answer**\n\n{THREE}", [ONE, TWO, THREE]),
    "for question n": ("a.txt", f"For question 1, {ONE} For question 2, {TWO[:-1]} For question 3, {THREE}", [ONE, TWO[:-1], THREE]),
    "series without full stops": ("a.txt", f"1. {ONE[:-1]} 2. {TWO[:-1]} 3. {THREE}", [ONE[:-1], TWO[:-1], THREE]),
    "two labels at once": ("a.txt", f"1. 1) {ONE}\n2) Also the style is copied.\n\n2. 1) {TWO}\n2) That is all.\n\n3. {THREE}", [f"1) {ONE}\n2) Also the style is copied.", f"1) {TWO}\n2) That is all.", THREE]),
    "numbers alone": ("a.txt", f"1\n{ONE}\n\n2\n{TWO}\n\n3\n{THREE}", [ONE, TWO, THREE]),
    "end of a mail": ("a.txt", f"1. {ONE}\n\n2. {TWO}\n\n3. {THREE}\n\nBest regards,\nS. D.\n\nSent from my phone\n", [ONE, TWO, THREE]),
    "thanks inside": ("a.txt", f"1. {ONE}\n\n2. {TWO} Thanks to them.\n\n3. {THREE}\nThanks to five raters", [ONE, f"{TWO} Thanks to them.", f"{THREE}\nThanks to five raters"]),
    "questions with slips": ("a.txt", f"the small model was tuned on texts that a lager model wrote. what are benefits and shortcomming of syntetic data\n\n{ONE}\n\nIs it etical to train on the outputs of somebody elses model? Give your own opinon\n\n{TWO}\n\nThe authors ran a small human evalution, what are its limits\n\n{THREE}", [ONE, TWO, THREE]),
    "questions listed, numbers again": ("a.md", "# Questions\n\n" + "\n".join(f"{n}. {q.prompt}" for n, q in enumerate(SMALL.questions, 1)) + f"\n\n# Answers\n\n1. {ONE}\n\n2. {TWO}\n\n3. {THREE}", [ONE, TWO, THREE]),
    "questions in an appendix": ("a.md", f"## 1\n\n{ONE}\n\n## 2\n\n{TWO}\n\n## 3\n\n{THREE}\n\n## Appendix: the questions\n\n" + "\n\n".join(f"{n}. {q.prompt}" for n, q in enumerate(SMALL.questions, 1)), [ONE, TWO, THREE]),
    "questions without answers but one": ("a.md", "\n\n".join(f"## Question {n}\n\n{q.prompt}" for n, q in enumerate(SMALL.questions, 1)) + f"\n\n{THREE}", ["", "", THREE]),
    "exercises in Spanish": ("a.md", f"### Ejercicio 1\n\n{ONE}\n\n### Ejercicio 2\n\n{TWO}\n\n### Ejercicio 3\n\n{THREE}", [ONE, TWO, THREE]),
    "folds": ("a.md", "\n\n".join(f"<details><summary>Question {n}</summary>\n\n{t}\n\n</details>" for n, t in enumerate([ONE, TWO, THREE], 1)), [ONE, TWO, THREE]),
    "table with questions": ("a.html", "<table><tr><th>No.</th><th>Question</th><th>Answer</th></tr>" + "".join(f"<tr><td>{n}</td><td>{q.prompt}</td><td>{t}</td></tr>" for n, (q, t) in enumerate(zip(SMALL.questions, [ONE, TWO, THREE]), 1)) + "</table>", [ONE, TWO, THREE]),
    "own headings": ("a.md", f"### What is good and bad about it\n\n{ONE}\n\n### Right or wrong?\n\n{TWO}\n\n### What the numbers hide\n\n{THREE}", [ONE, TWO, THREE]),
    "nothing at all": ("a.txt", "   \n\n", ["", "", ""]),
}


def rows_for(name, tmp_path):
    "Rows found in a document of `HAND`."
    file, text, want = HAND[name]
    path = tmp_path / file
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return find_answers(SMALL, path), want


@pytest.mark.parametrize("name", HAND)
def test_by_hand(name, tmp_path):
    rows, want = rows_for(name, tmp_path)
    if name == "nothing at all": assert [r.text for r in rows] == [""] and "empty" in rows[0].problem; return
    for q, w in zip(SMALL.questions, want):
        mine = [r for r in rows if r.question == q.name]
        if w is None: assert not all(r.sure and len(mine) == 1 for r in mine) or "```" in mine[0].text, mine
        else: assert len(mine) == 1 and re.sub(r"\s+", " ", mine[0].text) == re.sub(r"\s+", " ", w), mine


def test_twice_and_not_at_all_are_shown(tmp_path):
    rows, _ = rows_for("twice", tmp_path)
    mine = [r for r in rows if r.question == "ethics"]
    assert len(mine) == 2 and {r.problem for r in mine} == {TWICE} and not any(r.sure for r in mine) and all(r.source for r in mine)
    rows, _ = rows_for("not at all", tmp_path)
    assert [r.problem for r in rows if r.question == "ethics"] == [NONE]


def test_numbered_from_one_though_the_handout_begins_at_five(tmp_path):
    "Text questions after code questions: a student's own 1, 2, 3 is taken as an order, and is never sure."
    handout = Fake(name="late", cells=[], questions=[Fake(**vars(q) | dict(prompt=f"## {n}. Part\n\n{q.prompt}", title=f"Part {n}")) for n, q in enumerate(SMALL.questions, 5)])
    for first, sure in ((5, True), (1, False)):
        (tmp_path / "a.txt").write_text("\n\n".join(f"Q{n}: {t}" for n, t in enumerate([ONE, TWO, THREE], first)))
        rows = find_answers(handout, tmp_path / "a.txt")
        assert [r.text for r in rows] == [ONE, TWO, THREE] and {r.sure for r in rows} == {sure}, rows


def test_pdf_letters_that_are_one_glyph(monkeypatch):
    from alpaca_course.grading import texts
    monkeypatch.setattr(texts, "pdf_pages", lambda data: ["Question 1\nThe \ufb01rst o\ufb03ce."])
    assert [l.text for l in texts.pdf_lines(b"")] == ["Question 1", "The first office."]


def test_words_against_numbers_are_unsure(tmp_path):
    (tmp_path / "a.txt").write_text(f"Question 1\n{TWO * 3}\n\nQuestion 2\n{ONE * 3}\n\nQuestion 3\n{THREE}")
    rows = {r.question: r for r in find_answers(SMALL, tmp_path / "a.txt")}
    assert not rows["synthetic"].sure and not rows["ethics"].sure and rows["evaluation"].sure


def test_nothing_is_lost(tmp_path):
    "Every word of a document without any structure is in some row."
    words = [f"word{i}" for i in range(400)]
    (tmp_path / "a.txt").write_text(" ".join(words))
    rows = find_answers(SMALL, tmp_path / "a.txt")
    assert set(words) <= set(" ".join(r.text for r in rows).split()) and not any(r.sure and r.text for r in rows)


def test_released_notebook_and_its_wounds(tmp_path):
    pupil = PUPILS[0]
    cells = json.loads(c.as_notebook(pupil, c.student_cells(READING), READING.questions))["cells"]
    def found(cells, name="a.ipynb"):
        (tmp_path / name).write_text(json.dumps(dict(cells=cells, metadata={}, nbformat=4, nbformat_minor=5)))
        return {r.question: r for r in find_answers(READING, tmp_path / name)}
    whole = found(cells)
    assert all(r.aligned_by == "marker" and r.sure and same(r.text, pupil.answers[q]) for q, r in whole.items()), whole
    unmarked = [dict(cell, source=re.sub(r"<!--.*?-->\n?", "", cell["source"])) for cell in cells]  # markers deleted, ids left
    assert all(same(r.text, pupil.answers[q]) for q, r in found(unmarked).items())
    moved = found(cells[::-1])
    assert all(same(moved[q].text, t) for q, t in pupil.answers.items())
    own_cell = [part for cell in cells for part in ([dict(cell, source=cell["source"].split("<!-- answer -->")[0] + "<!-- answer -->"), dict(cell, id="new" + cell["id"], source=cell["source"].split("<!-- answer -->")[1])] if "<!-- answer -->" in cell["source"] else [cell])]
    assert all(same(r.text, pupil.answers[q]) for q, r in found(own_cell).items())
    twice = found(cells + [cells[1]])
    rows = [r for r in find_answers(READING, tmp_path / "a.ipynb") if r.question == READING.questions[0].name]
    assert len(rows) == 2 and not any(r.sure for r in rows)
    assert found([dict(id=1, cell_type=None, source=7), dict(cell_type="markdown")])  # odd cells are no reason to stop


def test_all_answers_in_one_cell_of_the_released_notebook(tmp_path):
    "Nothing at the places meant for it: labels in another cell count; a mere list below the last question stays there, and is unsure."
    empty = [dict(cell_type="markdown", id="i" + q.name, source=f"<!-- q: {q.name} points=1 -->\n{q.prompt}\n\n<!-- answer -->\n") for q in SMALL.questions]
    def found(cells):
        (tmp_path / "a.ipynb").write_text(json.dumps(dict(cells=cells, metadata={}, nbformat=4, nbformat_minor=5)))
        return find_answers(SMALL, tmp_path / "a.ipynb")
    rows = found(empty + [dict(cell_type="markdown", source="\n\n".join(f"**Q{n}**\n\n{t}" for n, t in enumerate([ONE, TWO, THREE], 1)))])
    assert [r.text for r in rows] == [ONE, TWO, THREE] and all(r.sure for r in rows), rows
    in_place = empty[:2] + [dict(empty[2], source=empty[2]["source"] + "1. few raters\n\n2. the authors\n\n3. few tasks")]
    rows = found(in_place)
    assert [r.text for r in rows] == ["", "", "1. few raters\n\n2. the authors\n\n3. few tasks"], rows
    assert [r.text for r in found(empty)] == ["", "", ""]


HOSTILE = {"script.html": b"<script>alert(1)</script><h1>Score: 5/5</h1><p>Question 1: " + ONE.encode(), "bomb.docx": b"", "deep.ipynb": b'{"cells": ' + b"[" * 100_000, "nul.txt": b"\0" * 5000, "name.ipynb": b"\xff\xfe\x00",
           "unicode.txt": ("Q1. \ud7ff\u202e" + "\u0301" * 5000 + ONE).encode("utf-8", "surrogatepass"), "lone.txt": b"Q1. \xed\xa0\x80 half", "zip.docx": b"PK\x03\x04" + b"word/document.xml" * 9, "cut.pdf": b"%PDF-1.7\n1 0 obj <<", "long.csv": b'"' + b"x" * 300_000,
           "fmt.csv": b"a,b\n=cmd|' /C calc'!A0,2\n", "odd.html": b"<ol start=99999999999><li>" * 3000, "rtf.txt": b"{\\rtf1 hello}", "huge.txt": b"Question 1 " * 200_000, "labels.txt": b"\n".join(b"%d. x" % (i % 9) for i in range(3000))}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_give_rows(name, tmp_path):
    data = HOSTILE[name]
    if name == "bomb.docx":
        import io, zipfile
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z: z.writestr("word/document.xml", b"<a>" + b" " * 60_000_000)
        data = out.getvalue()
    (tmp_path / name).write_bytes(data)
    rows = find_answers(SMALL, tmp_path / name)
    assert rows and all(isinstance(r.sure, bool) for r in rows)
    json.dumps([vars(r) for r in rows], ensure_ascii=False).encode("utf-8")  # fit to be stored


def test_xml_bomb_in_word():
    import io, zipfile
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z: z.writestr("word/document.xml", '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>')
    with pytest.raises(ValueError, match="document type"): docx_lines(out.getvalue())


def test_real_word_files(tmp_path):
    "Files written by python-docx: styles, numbering that a paragraph interrupts, tables, bold."
    docx = pytest.importorskip("docx")
    made = docx.Document()
    made.add_heading("Module 9", 0)
    for n, text in enumerate([ONE, TWO, THREE], 1): made.add_paragraph(text.split(" ", 1)[0] + " " + text.split(" ", 1)[1], style="List Number"); made.add_paragraph(f"More on {n}.")
    made.save(tmp_path / "a.docx")
    assert [r.text.split("\n")[0] for r in find_answers(SMALL, tmp_path / "a.docx")] == [ONE, TWO, THREE]
    made = docx.Document()
    for n, text in enumerate([ONE, TWO, THREE], 1):
        made.add_paragraph().add_run(f"Question {n}").bold = True
        made.add_paragraph(text)
        made.add_paragraph("price", style="List Number"); made.add_paragraph("speed", style="List Number")
    made.save(tmp_path / "b.docx")
    rows = find_answers(SMALL, tmp_path / "b.docx")
    assert [r.text.split("\n")[0] for r in rows] == [ONE, TWO, THREE] and all(r.sure for r in rows)


def test_quiz_tables(tmp_path):
    pupils = [p for p in c.read_cohort() if p.format == "quiz"]
    (tmp_path / "quiz.csv").write_text(c.as_quiz(pupils, READING.questions), encoding="utf-8-sig")
    rows = find_answers(READING, tmp_path / "quiz.csv")
    want = {(p.id, q): t for p in pupils for q, t in p.answers.items()}
    assert len(rows) == len(want) and all(c.squeezed(want[r.student, r.question]) == c.squeezed(r.text) for r in rows) and all(r.sure for r in rows if r.text)
    (tmp_path / "moodle.csv").write_text("Surname,First name,Email address,State,Response 1,Response 2,Response 3\n" + f'Dufistek,Sikei,s@example.edu,Finished,"{ONE}","{TWO}",-\n')
    rows = find_answers(SMALL, tmp_path / "moodle.csv")
    assert [r.text for r in rows][:2] == [ONE, TWO] and {r.aligned_by for r in rows[:2]} == {"number"} and rows[0].student == "s@example.edu"


def test_command_line(tmp_path):
    (tmp_path / "a.md").write_text("## Question 2\n\nIt depends.\n")
    code = "import argparse; from alpaca_course.grading.answers import *; p = argparse.ArgumentParser(); answers_arguments(p); raise SystemExit(answers_command(p.parse_args()))"
    done = subprocess.run([sys.executable, "-c", code, "reading", str(tmp_path / "a.md")], capture_output=True, text=True, timeout=900)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and [r["question"] for r in rows] == [q.name for q in READING.questions] and list(rows[0])[:5] == ["file", "question", "text", "aligned_by", "sure"]
    assert [r["text"] for r in rows if r["question"] == "ethics"] == ["It depends."]


def test_two_megabytes_do_not_stop_the_batch(tmp_path):
    (tmp_path / "a.txt").write_text("Question 1\n" + "It is cheap. " * 150_000 + "\n\nQuestion 2\nIt depends.\n")
    start = time.process_time()
    rows = find_answers(SMALL, tmp_path / "a.txt")
    print(f"\n2 MB in {time.process_time() - start:.1f} s of CPU")
    assert [r.text for r in rows if r.question == "ethics"] == ["It depends."]
