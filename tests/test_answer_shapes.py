"""Answer sheets of shapes that no rule knew when they were first read: each file small, with the text that belongs to each question, and what must stay unsure."""
import io, json, re, zipfile
from types import SimpleNamespace as Fake

import pytest

from alpaca_course.grading.answers import ABOVE, BESIDE, CHAT, END, ONLY, OTHER, QUOTES, SKIP, TOGETHER, find_answers
from alpaca_course.grading.texts import W, read_document


def ask(name, title, prompt, solution): return Fake(name=name, kind="text", title="", prompt=f"## {title} (2 points)\n\n{prompt}", solution=solution, released=f"## {title} (2 points)\n\n{prompt}", cell_id="cell-" + name)
def sheet(*questions): return Fake(name="sheet", cells=[], questions=list(questions))
BREAD = [("warmth", "Temperature", "Use your readings to explain how temperature changed the speed of rising.", "Yeast works faster in the warm."),
         ("salt", "The salt", "Dough C held salt. What did it do, and by which mechanism?", "It draws water out of the yeast cells."),
         ("errors", "Sources of error", "List the largest sources of error, with one improvement for each.", "Ruler, glass, clock.")]
FROM_0 = sheet(*[ask(n, f"Question {i}. {t}", p, s) for i, (n, t, p, s) in enumerate(BREAD)])
FROM_5 = sheet(*[ask(n, f"Question {i}. {t}", p, s) for i, (n, t, p, s) in enumerate(BREAD, 5)])
TITLES = sheet(*[ask(n, t, p, s) for n, t, p, s in BREAD])
ONE, TWO, THREE = "At 30 degrees it doubled within the hour, at 18 it did not.", "It went slower, since salt takes water from the cells.", "Ruler, glass and clock; so a photo, a straight glass, a timer."


def found(assignment, folder, name, text):
    "`{question: row}` of a file; a question with two rows fails."
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    rows = [r for r in find_answers(assignment, folder / name) if r.question]
    assert len(rows) == len({r.question for r in rows}), rows
    return [next(r for r in rows if r.question == q.name) for q in assignment.questions]


def notebook(*cells):
    return json.dumps(dict(cells=[dict(cell_type=kind, id=f"c{i}", metadata={}, source=s, **(dict(outputs=[], execution_count=None) if kind == "code" else {})) for i, (kind, s) in enumerate(cells)], metadata={}, nbformat=4, nbformat_minor=5))


def word(body, **parts):
    out = io.BytesIO()
    wrap = lambda tag, xml: f'<w:{tag} xmlns:w="{W[1:-1]}">{xml}</w:{tag}>'
    with zipfile.ZipFile(out, "w") as z:
        z.writestr("word/document.xml", wrap("document", f"<w:body>{body}</w:body>"))
        for name, xml in parts.items(): z.writestr(f"word/{name}.xml", wrap(name, xml))
    return out.getvalue()


def p(text): return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"
def table(*rows): return "<w:tbl>" + "".join("<w:tr>" + "".join(f"<w:tc>{p(c)}</w:tc>" for c in row) + "</w:tr>" for row in rows) + "</w:tbl>"


@pytest.mark.parametrize("form", ["Question {}\n{}", "**Q{}:** {}", "{}) {}"])
def test_questions_that_count_from_0(form, tmp_path):
    "Each answer under its own number; a list that begins at 0 inside an answer begins nothing."
    texts = [ONE + "\n\n0. start: 40 mm\n1. after an hour: 81 mm" if form.startswith("Q") else ONE, TWO, THREE]
    rows = found(FROM_0, tmp_path, "a.md", "\n\n".join(form.format(i, t) for i, t in enumerate(texts)))
    assert [r.text for r in rows] == texts and all(r.sure for r in rows if r.text in (TWO, THREE)), rows


@pytest.mark.parametrize("labels", ["0) 1) 2)", "1) 2) 3)", "a) b) c)", "Q7: Q8: Q9:"])
def test_numbers_of_the_students_own_are_an_order_and_never_sure(labels, tmp_path):
    rows = found(FROM_5, tmp_path, "a.txt", "\n".join(f"{l} {t}" for l, t in zip(labels.split(), (ONE, TWO, THREE))))
    assert [(r.text, r.aligned_by, r.sure) for r in rows] == [(t, "order", False) for t in (ONE, TWO, THREE)]


TABLES = {"html": ("a.html", "<table><tr><th>No.</th><th>Question</th><th>My answer</th></tr>" + "".join(f"<tr><td>{n}</td><td><p>{q}</p></td><td><p>{t}</p></td></tr>" for n, q, t in
                             [(1, "How warm and how fast", ONE), (2, "Salt, and why", TWO), (3, "What went wrong and a cure for it", "")]) + "</table>"),
          "md": ("a.md", f"# Dough\n\n| topic | what I think |\n|:--|:--|\n| Temperature | {ONE} |\n| The salt | {TWO} |\n| Sources of error | |\n"),
          "docx": ("a.docx", word(p("Dough") + table(("Question", "Answer"), ("1. Warm or cold", ONE), ("2. Salt", TWO), ("3. Errors", ""))))}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_whose_cells_ask_in_other_words(kind, tmp_path):
    "The cell that asks is no part of the answer, and an empty cell is no answer."
    assert [r.text for r in found(TITLES, tmp_path, *TABLES[kind])] == [ONE, TWO, ""]


def test_a_table_of_figures_inside_an_answer_stays(tmp_path):
    text = f"Question 0\n{ONE}\n\n| claim | what I read |\n|---|---|\n| cold | 43 mm |\n| warm | 81 mm |\n\nQuestion 1\n{TWO}\n\nQuestion 2\n{THREE}"
    assert "43 mm" in found(FROM_0, tmp_path, "a.md", text)[0].text
    assert "May 61" in "\n".join(l.text for l in read_document(write(tmp_path, "b.html", "<p>Rain:</p><table><tr><td>May</td><td>61</td></tr><tr><td>June</td><td>80</td></tr></table>")).lines)


def write(folder, name, text):
    (folder / name).write_text(text)
    return folder / name


def test_a_reply_above_the_mail_it_answers(tmp_path):
    "The questions in the older mail below are not answered there; a question the student left out stays without answer."
    mail = "\n".join(f"> Question {i}. {t}: {q}" for i, (_, t, q, _) in enumerate(BREAD))
    text = f"Hi,\nhere they are.\n\nQ0 - {ONE}\n\nQ2 - {THREE}\n\nskipped 1, no time\n\nOn Monday the course wrote:\n> Dear all, the questions once more\n{mail}\n> Deadline is Friday\n"
    assert [r.text for r in found(FROM_0, tmp_path, "a.txt", text)] == [ONE, "", THREE]
    between = "The course wrote:\n" + "\n\n".join(f"> Question {i}. {q}\n\n{x}" for i, ((_, _, q, _), x) in enumerate(zip(BREAD, (ONE, TWO, THREE))))
    assert [r.text for r in found(FROM_0, tmp_path, "b.txt", between + "\n\n--\nStudent 77\n")] == [ONE, TWO, THREE]


def test_a_pasted_chat(tmp_path):
    "What the student typed asks, what came back is the text; every row says that it looks like a chat."
    chat = "\n\n".join(f"**You said:**\n{q}\n\n**Assistant said:**\n{t}" for q, t in zip((BREAD[0][2], "and the salt question: what did it do, mechanism?", BREAD[2][2]), (ONE, TWO, THREE)))
    rows = found(TITLES, tmp_path, "a.md", chat)
    assert [r.text for r in rows] == [ONE, TWO, THREE] and all(CHAT in r.problem for r in rows)


def test_released_notebook_with_text_above_the_place_and_code_between(tmp_path):
    place = "**Your answer**, below this line:\n<!-- answer -->\n"
    cells = [("markdown", f"<!-- q: {q.name} points=2 -->\n{q.prompt}\n\n{above}{place}{below}") for q, above, below in zip(FROM_0.questions, (ONE + "\n\n", "", ""), ("", TWO, ""))]
    rows = found(FROM_0, tmp_path, "a.ipynb", notebook(*cells, ("code", 'print("Ruler, glass and clock; so a photo, a straight glass, a timer.")')))
    assert [(r.text, r.sure, r.problem) for r in rows] == [(ONE, False, ABOVE), (TWO, True, ""), (THREE, True, "")]
    rows = found(FROM_0, tmp_path, "b.ipynb", notebook(*cells[:2], ("code", "x = 40 / 81"), ("markdown", "The cell above is my ratio."), cells[2], ("code", "import math")))
    assert (rows[1].text, rows[1].sure, rows[1].problem) == (TWO + "\n\nThe cell above is my ratio.", False, BESIDE)
    assert (rows[2].text, rows[2].sure, rows[2].problem) == ("import math", False, ONLY)
    rows = found(FROM_0, tmp_path, "c.ipynb", notebook(*[cell for i, t in enumerate((ONE, TWO)) for cell in (("markdown", f"## Question {i}"), ("markdown", t), ("code", "y = 2"))], ("markdown", "## Question 2"), ("code", "import math")))
    assert [(r.text, r.sure) for r in rows] == [(ONE, True), (TWO, True), ("", False)] and rows[2].problem == ONLY, rows


def test_fences_footnotes_and_contents(tmp_path):
    text = (f"Question 0 ........ 2\nQuestion 1 ........ 3\nQuestion 2 ........ 3\n\n## Question 0\n\n{ONE}[^a]\n\n## Question 1\n\nI checked:\n\n```python\n# 2. Question 2 again\nx = 1\n```\n\n"
            f"## Question 2\n\n{THREE}\n\n[^a]: The clock was mine.\n")
    rows = found(FROM_0, tmp_path, "a.md", text)
    assert rows[0].text == f"{ONE}[^a]\nThe clock was mine." and "Question 2 again" in rows[1].text and rows[2].text == THREE and all(r.sure for r in rows), rows
    xml = p("Question 0") + f'<w:p><w:r><w:t>{ONE}</w:t></w:r><w:r><w:footnoteReference w:id="2"/></w:r></w:p>' + p("Question 1") + p(TWO) + p("Question 2") + p(THREE) + p("Notes") + p("[1] Own kitchen.")
    rows = found(FROM_0, tmp_path, "a.docx", word(xml, footnotes=f'<w:footnote w:id="2">{p("The clock was mine.")}</w:footnote>'))
    assert [r.text for r in rows] == [ONE + "\nThe clock was mine.", TWO, THREE]


def test_one_heading_for_two_questions_and_other_peoples_words(tmp_path):
    rows = found(TITLES, tmp_path, "a.txt", f"SOURCES OF ERROR\n{THREE}\n\nTEMPERATURE AND THE SALT\n{ONE} {TWO}\n")
    assert [(bool(r.text), r.sure) for r in rows] == [(True, False), (False, False), (True, True)] and rows[1].problem == TOGETHER
    rows = found(FROM_0, tmp_path, "b.md", f"Question 0\n> Nina wrote: no difference in my kitchen.\n\n{ONE}\n\nQuestion 1\n{TWO}\n\nQuestion 2\n{THREE}")
    assert [(r.sure, r.problem) for r in rows] == [(False, QUOTES), (True, ""), (True, "")]


def test_a_paper_for_another_course_is_never_sure(tmp_path):
    text = "Is the city wall a park?\n\n1. Introduction\nThe wall was planted with trees long ago.\n\n2. Visitors\nPeople run and eat ice cream there.\n\n3. Conclusion\nIt is a park by use."
    for assignment in (FROM_0, FROM_5, TITLES): assert not any(r.sure and r.text for r in found(assignment, tmp_path, "a.txt", text))


def test_an_essay_that_begins_like_the_question_keeps_its_sentence(tmp_path):
    own = "Which sources of error were the largest, with one improvement for each, is hard to say; I list the largest sources of error in the order of their size: ruler, glass, clock."
    rows = found(TITLES, tmp_path, "a.md", f"## Temperature\n\n{ONE}\n\n## The salt\n\n{TWO}\n\n## Sources of error\n\n{own}")
    assert rows[2].text == own


def together(assignment, folder, name, text):
    "`(text, sure)` of each question's row."
    return [(r.text, r.sure) for r in found(assignment, folder, name, text)]


EACH = [ONE, TWO, THREE]


@pytest.mark.parametrize("form", ["\U0001f539 **Question {}** – {}", "{}、{}", "{}/3 {}", "Zu Frage {}: {}", "{} -> {}", "= Question {}\n{}", "{}°) {}", "<h3>Question {}</h3>\n<p>{}</p>", "Câu {}: {}"])
def test_labels_of_other_hands_and_tongues(form, tmp_path):
    assert [t for t, _ in together(sheet(*[ask(n, f"Question {i}. {t}", p, s) for i, (n, t, p, s) in enumerate(BREAD, 1)]), tmp_path, "a.md", "\n\n".join(form.format(i, t) for i, t in enumerate(EACH, 1)))] == EACH


@pytest.mark.parametrize("form", ["1.1 {}\n1.2 It was rye.\n2 {}\n3 {}", "warmth: {}\nIt was rye.\nsalt: {}\nerrors: {}"])
def test_numbers_without_a_sign_and_ids_are_read_and_never_sure(form, tmp_path):
    from_1 = sheet(*[ask(n, f"Question {i}. {t}", p, s) for i, (n, t, p, s) in enumerate(BREAD, 1)])
    rows = together(from_1, tmp_path, "a.txt", form.format(*EACH))
    assert [t.replace("1.1 ", "").split("\n")[0] for t, _ in rows] == EACH and "rye" in rows[0][0] and not any(s for _, s in rows)


def test_dictated_in_one_breath_but_not_what_is_only_mentioned(tmp_path):
    from_1 = sheet(*[ask(n, f"Question {i}. {t}", p, s) for i, (n, t, p, s) in enumerate(BREAD, 1)])
    low = [t.lower().rstrip(".").replace(",", "").replace(";", "") for t in EACH]
    assert [t for t, _ in together(from_1, tmp_path, "a.txt", f"ok question one {low[0]} question two {low[1]} question three {low[2]}")] == low
    aside = ONE + " As I say in question 1 it doubled and then in question 2 it went slower by far, and in question 3 we timed it badly."
    assert [t for t, _ in together(from_1, tmp_path, "b.txt", f"1) {aside}\n\n2) {TWO}\n\n3) {THREE}")] == [aside, TWO, THREE]


def test_what_stands_behind_the_last_answer(tmp_path):
    "Closing lines go; a few words that nobody knows are kept, and the answer is unsure."
    text = "\n\n".join(f"Question {i}\n{t}" for i, t in enumerate(EACH, 5))
    for end in ("Gesendet von meinem Telefon", "thx \U0001f64f", "Permalink | Show parent | Reply", "continued in the second file"):
        assert together(FROM_5, tmp_path, "a.md", f"{text}\n\n{end}")[2] == (THREE, True), end
    assert together(FROM_5, tmp_path, "a.md", text + "\n\nIda, bench four")[2] == (THREE + "\n\nIda, bench four", False)
    offered = found(FROM_5, tmp_path, "a.md", text + "\n\nWould you like me to make them shorter?")[2]
    assert (offered.text, offered.problem) == (THREE, CHAT)
    head = "".join(f"<div><b>{k}:</b> {v}</div>" for k, v in (("From", "office"), ("Sent", "Monday"), ("To", "all"), ("Subject", "sheet")))
    page = "".join(f"<p>Question {i}<br>{t}</p>" for i, t in enumerate(EACH, 5))
    assert together(FROM_5, tmp_path, "a.html", page + "<hr>" + head + "<div>Please answer Question 5.</div>")[2] == (THREE, True)
    assert together(FROM_5, tmp_path, "b.html", page + "<div>The office wrote:</div><blockquote>Please answer Question 5.</blockquote>")[2] == (THREE, True)


def test_left_out_cut_short_and_hidden_numbers_are_unsure(tmp_path):
    rows = found(FROM_5, tmp_path, "a.md", f"Question 5\n(skipped)\n\nQuestion 6\n{TWO} Two things:\n\nQuestion 7\n{THREE}")
    assert [(r.sure, r.problem) for r in rows] == [(False, SKIP), (False, END), (True, "")]
    rows = together(FROM_5, tmp_path, "b.md", f"Question 5\n{ONE}\n6 {TWO}\n\nQuestion 7\n{THREE}")  # 6 has no sign: neither a gap nor its neighbour is sure
    assert [s for _, s in rows][:2] == [False, False]


def test_another_sheet_with_fitting_numbers_is_never_sure(tmp_path):
    words = " ".join(f"{a}{b}" for a in ("grain", "crumb", "crust", "sour", "oven", "loaf", "scale", "sieve") for b in "abcdefgh")
    known = sheet(*[ask(n, f"Question {i}. {t}", p, s + " " + words) for i, (n, t, p, s) in enumerate(BREAD, 5)])
    abacus = ["The abacus was used in Rome with pebbles in grooves, and in China with beads on a rod.", "Pascal made an adding machine for the tax office, and a carry was moved by weights.", "Leibniz took a stepped drum for it, and so could multiply by repeated addition."]
    rows = found(known, tmp_path, "a.txt", "\n\n".join(f"Task {i}. {t}" for i, t in enumerate(abacus, 5)))
    assert [(r.text, r.sure, r.problem) for r in rows] == [(t, False, OTHER) for t in abacus]
    assert all(s for _, s in together(known, tmp_path, "b.txt", "\n\n".join(f"Task {i}. {t}" for i, t in enumerate(EACH, 5))))


def test_quiz_tables_with_questions_beside_the_answers(tmp_path):
    "Moodle's full export, a form whose columns are titles, and strings kept in variables."
    head = "ID number," + ",".join(f"Question {i},Response {i},Right answer {i}" for i in (5, 6, 7))
    (tmp_path / "m.csv").write_text(head + "\n71," + ",".join(f'"{b[2]}","{t}",-' for b, t in zip(BREAD, EACH)))
    assert [(r.student, r.text, r.sure) for r in find_answers(FROM_5, tmp_path / "m.csv")] == [("71", t, True) for t in EACH]
    (tmp_path / "g.csv").write_text("Timestamp,Email Address," + ",".join(b[1] for b in BREAD) + "\n9:14,a@b.example," + ",".join(f'"{t}"' for t in EACH))
    assert [r.text for r in find_answers(FROM_5, tmp_path / "g.csv")] == EACH
    assert [t for t, _ in together(FROM_5, tmp_path, "a.ipynb", notebook(*[("code", f"answer_{i} = '''{t}'''") for i, t in enumerate(EACH, 5)]))] == EACH


def test_questions_in_the_students_words(tmp_path):
    asked = ["How did warmth change the speed?", "What did salt do to dough C?", "Where did we measure badly?"]
    for form in ("{}\n{}", "Q: {}\nA: {}"):
        assert [t for t, _ in together(TITLES, tmp_path, "a.txt", "\n\n".join(form.format(q, t) for q, t in zip(asked, EACH)))] == EACH
    items = "\\begin{enumerate}\n" + "\n".join(f"\\item {t}" for t in EACH) + "\n\\end{enumerate}"
    assert [t for t, _ in together(sheet(*[ask(n, f"Question {i}. {t}", p, s) for i, (n, t, p, s) in enumerate(BREAD, 1)]), tmp_path, "a.txt", items)] == EACH


@pytest.mark.parametrize("inside", ["Imagine a talk:\nQ: Why warm?\nA: It is faster.\nQ: And cold?\nA: It is slow.\nSo we kept it warm.",
                                    "Our log:\n20.11.26, 10:00 scale: 40 mm\n20.11.26, 10:30 scale: 81 mm\nIt doubled.",
                                    "As for question one it was the warmth and as for question two it was the salt and as for question three it was our ruler.",
                                    "A mail:\nFrom: a baker\nTo: us\nSubject: salt\nHe says that less salt is faster.", "2/3 of it rose.\n1/3 did not, as it was cold."])
@pytest.mark.parametrize("form", ["Question {}\n{}", "{}. {}", "**{})** {}"])
def test_what_looks_like_a_chat_or_a_mail_within_an_answer_stays_there(form, inside, tmp_path):
    from_1 = sheet(*[ask(n, f"Question {i}. {t}", p, s) for i, (n, t, p, s) in enumerate(BREAD, 1)])
    for texts in ([inside, TWO, THREE], [ONE, inside, THREE], [ONE, TWO, inside]):
        rows = together(from_1, tmp_path, "a.md", "\n\n".join(form.format(i, t) for i, t in enumerate(texts, 1)))
        assert all(got == want or not sure for (got, sure), want in zip(rows, texts)) and sum(got == want for (got, _), want in zip(rows, texts)) >= 2, rows
