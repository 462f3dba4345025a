"""Ways in which students lay out seven answers: `DEVELOPED` were looked at while the aligner was written, `HELD_OUT` only measured afterwards."""
import re, textwrap

from alpaca_course.grading import cohort as c

ROMAN = "I II III IV V VI VII VIII".split()
ORD = "First Second Third Fourth Fifth Sixth Seventh".split()
WORD = "one two three four five six seven".split()
OTHER = ["On learning from a machine's texts", "Ethics", "How they got the data", "Checking quality", "What the comparison means", "Releasing it", "Errors in the magazine piece"]


def title(q): return c.title_of(q)
def prompt(q): return c.prompt_text(q)
def wrap(text, n=76): return "\n".join("\n".join(textwrap.wrap(row, n)) for row in text.split("\n"))
def each(form, sep="\n\n"): return lambda a, qs: sep.join(form(n, x, q) for n, (x, q) in enumerate(zip(a, qs), 1))
def text(suffix, make): return lambda a, qs: (f"x.{suffix}", make(a, qs).encode())
class P:
    def __init__(self, a, qs): self.name, self.answers = "Mirelo Tanvash", {q.name: x for x, q in zip(a, qs)}


def paged(body, lines=24, foot="Page {k}", head="Tanvash, Module 9"):
    rows = body.split("\n")
    pages = [rows[i:i + lines] for i in range(0, len(rows), lines)]
    return "\f".join("\n".join([head, *page, foot.format(k=k)]) for k, page in enumerate(pages, 1))


def pdf(make, width=80, lines=38):
    def f(a, qs):
        rows = [r for line in make(a, qs).split("\n") for r in (textwrap.wrap(line, width) or [""])]
        return "x.pdf", c.plain_pdf([["Tanvash, Module 9"] + rows[i:i + lines] + [f"{i // lines + 1}"] for i in range(0, len(rows), lines)])
    return f


def docx(paragraphs):
    import io, zipfile, html as h
    def f(a, qs):
        data = io.BytesIO()
        body = "".join(p if p.startswith("<w:") else c.paragraph(p) for p in paragraphs(a, qs))
        with zipfile.ZipFile(data, "w") as z:
            for name, part in (c.WORD_PARTS | {"word/document.xml": f'<w:document xmlns:w="{c.WORD}"><w:body>{body}</w:body></w:document>'}).items(): z.writestr(name, part)
        return "x.docx", data.getvalue()
    return f


def table(a, qs):
    cell = lambda t: "<w:tc>" + "".join(c.paragraph(r) for r in t.split("\n")) + "</w:tc>"
    return ["Module 9", "<w:tbl>" + "".join("<w:tr>" + cell(f"{n}. {prompt(q)}") + cell(x) + "</w:tr>" for n, (x, q) in enumerate(zip(a, qs), 1)) + "</w:tbl>"]


HEAD = "Name: Mirelo Tanvash\nDate: 3 March 2026\nCourse: Language Models\n\n"
LISTED = ["It comes to this:\n1. {0}\n2. I would add nothing.\n3. That is all."]
def listed(a): return [f"{x}\n1. the first thing I noticed\n2. the second one\n3. and the last" if i % 2 == 0 and x else x for i, x in enumerate(a)]

DEVELOPED = {
    "md_headings": text("md", lambda a, qs: HEAD + each(lambda n, x, q: f"## Question {n}\n\n{prompt(q)}\n\n**Answer**\n\n{x}")(a, qs)),
    "question_points": text("txt", each(lambda n, x, q: f"Question {n} (3 points): {x}")),
    "q_dot_dense": text("txt", each(lambda n, x, q: f"Q{n}. {x}", "\n")),
    "paren": text("txt", lambda a, qs: HEAD + each(lambda n, x, q: f"{n}) {x}")(a, qs)),
    "bold_number": text("md", each(lambda n, x, q: f"**{n}.** {x}")),
    "q_dash": text("txt", each(lambda n, x, q: f"Q{n} - {x}")),
    "brackets": text("txt", each(lambda n, x, q: f"({n}) {x}")),
    "quotes_only": text("txt", each(lambda n, x, q: f"{prompt(q)}\n{x}")),
    "titles_only": text("md", each(lambda n, x, q: f"### {title(q)}\n{x}")),
    "essay_pages": text("txt", lambda a, qs: paged(wrap(each(lambda n, x, q: f"{n}. {title(q)}\n\n{x}")(a, qs)))),
    "run_together": text("txt", each(lambda n, x, q: f"Q{n}: " + x.replace("\n", " "), " ")),
    "unlabelled": text("txt", each(lambda n, x, q: x.replace("\n", " "))),
    "answer_n": text("txt", each(lambda n, x, q: f"Answer {n}:\n{x}")),
    "html_bold": lambda a, qs: ("x.html", c.as_html(P(a, qs), qs).encode()),
    "docx_numbered": lambda a, qs: ("x.docx", c.as_docx(P(a, qs), qs, True)),
    "docx_table": docx(table),
    "pdf_titles": pdf(each(lambda n, x, q: f"{n}. {title(q)}\n{x}")),
    "pdf_questions": pdf(lambda a, qs: HEAD + each(lambda n, x, q: f"Question {n}: {prompt(q)}\n\n{x}")(a, qs)),
    "references": text("md", lambda a, qs: each(lambda n, x, q: f"# Question {n}\n{x}")(a, qs) + "\n\n## References\n\n1. Taori et al., Alpaca, 2023\n2. Wang et al., Self-Instruct, 2022\n"),
    "backwards": text("txt", lambda a, qs: "\n\n".join(reversed([f"Question {n}\n{x}" for n, x in enumerate(a, 1)]))),
    "roman": text("txt", each(lambda n, x, q: f"{ROMAN[n - 1]}. {x}")),
    "mixed": text("txt", each(lambda n, x, q: [f"Question {n}\n{x}", f"{n}) {x}", f"Q{n}: {x}"][n % 3])),
    "trap_named": text("txt", lambda a, qs: each(lambda n, x, q: f"Question {n}\n{x}")(listed(a), qs)),
    "trap_bare": text("txt", lambda a, qs: each(lambda n, x, q: f"{n}. {x}")(listed(a), qs)),
    "trap_paren": text("txt", lambda a, qs: each(lambda n, x, q: f"{n}) {x}")(listed(a), qs)),
}

HELD_OUT = {
    "slash": text("txt", each(lambda n, x, q: f"{n}/ {x}")),
    "hash": text("txt", each(lambda n, x, q: f"#{n} {x}")),
    "prompt_arrow": text("txt", each(lambda n, x, q: f"Prompt #{n} -> {x}")),
    "square": text("txt", each(lambda n, x, q: f"[Q {n}]\n{x}")),
    "response_to": text("txt", each(lambda n, x, q: f"Response to Question {n}\n\n{x}")),
    "number_words": text("txt", lambda a, qs: HEAD + each(lambda n, x, q: f"Question {WORD[n - 1]}. {x}")(a, qs)),
    "ordinals": text("md", each(lambda n, x, q: f"**{ORD[n - 1]} question**\n\n{x}")),
    "own_line": text("txt", each(lambda n, x, q: f"{n}\n{x}")),
    "letters": text("txt", each(lambda n, x, q: f"{'ABCDEFG'[n - 1]}) {x}")),
    "own_titles": text("md", lambda a, qs: "\n\n".join(f"## {t}\n\n{x}" for t, x in zip(OTHER, a))),
    "own_titles_numbered": text("txt", lambda a, qs: "\n\n".join(f"{n}. {t}\n{x}" for n, (t, x) in enumerate(zip(OTHER, a), 1))),
    "email": text("txt", each(lambda n, x, q: "\n".join("> " + r for r in textwrap.wrap(prompt(q), 60)) + f"\n\n{x}")),
    "md_table": text("md", lambda a, qs: "| No | Answer |\n|---|---|\n" + "\n".join(f"| {n} | {x.replace(chr(10), ' ')} |" for n, x in enumerate(a, 1))),
    "bullets": text("md", each(lambda n, x, q: f"- **Q{n}:** {x}", "\n")),
    "two_paragraphs": text("txt", lambda a, qs: each(lambda n, x, q: re.sub(r"(?<=[.!?]) ", "\n\n", x, count=1))([x.replace("\n", " ") for x in a], qs)),
    "exercise": text("txt", each(lambda n, x, q: f"Exercise {n} : {x}")),
    "separators": text("txt", each(lambda n, x, q: x, "\n\n==========\n\n")),
    "headed_by_number": text("md", each(lambda n, x, q: f"# {n}\n\n{x}")),
    "bold_question": docx(lambda a, qs: [p for n, (x, q) in enumerate(zip(a, qs), 1) for p in [f'<w:p><w:r><w:rPr><w:b/></w:rPr><w:t>{n}. {c.html.escape(prompt(q))}</w:t></w:r></w:p>', *x.split("\n")]]),
    "trap_dash": text("txt", lambda a, qs: each(lambda n, x, q: f"{n}- {x}")(listed(a), qs)),
    "trap_pdf": pdf(lambda a, qs: each(lambda n, x, q: f"Q{n}\n{x}")(listed(a), qs)),
    "skips_two": text("txt", lambda a, qs: each(lambda n, x, q: f"{n}. {x}" if n not in (3, 5) else "")(a, qs)),
}
TRAPS = {name for name in {**DEVELOPED, **HELD_OUT} if name.startswith("trap")}


def truth(style, a):
    "What should be found."
    if style in TRAPS: return listed(a)
    return ["" if style == "skips_two" and n in (3, 5) else x for n, x in enumerate(a, 1)]


def subparts(a):
    "Each answer as parts a) and b), where it has two sentences."
    return [re.sub(r"(?<=[.!?]) ", "\nb) ", f"a) {x}", count=1) if x else x for x in a]


FRESH = {  # written after the others had been looked at, measured once, not developed on
    "ans_to_q": text("txt", each(lambda n, x, q: f"Ans to Q{n} :: {x}")),
    "colon": text("txt", lambda a, qs: HEAD + each(lambda n, x, q: f"{n}: {x}")(a, qs)),
    "en_dash": text("txt", each(lambda n, x, q: f"{n} – {x}")),
    "capitals_underlined": text("txt", each(lambda n, x, q: f"QUESTION {n}\n==========\n{x}")),
    "dot_paren": text("txt", each(lambda n, x, q: f"{n}.) {x}")),
    "q_dot_paren": text("txt", each(lambda n, x, q: f"Q.{n}) {x}", "\n")),
    "solution": text("txt", each(lambda n, x, q: f"Sol {n}. {x}")),
    "italic_question": text("md", each(lambda n, x, q: f"**Question {n}: {title(q)}**\n\n_{prompt(q)}_\n\n{x}")),
    "narrow_crlf": lambda a, qs: ("x.txt", each(lambda n, x, q: f"Question {n}\n{wrap(x, 48)}")(a, qs).replace("\n", "\r\n").encode("utf-16")),
    "html_list": lambda a, qs: ("x.html", ("<ol>" + "".join(f"<li>{c.html.escape(x)}</li>" for x in a) + "</ol>").encode()),
    "html_headings": lambda a, qs: ("x.html", "".join(f"<h3>{c.html.escape(title(q))}</h3><div>{c.html.escape(x)}</div>" for x, q in zip(a, qs)).encode()),
    "topic": text("txt", each(lambda n, x, q: f"{n}. On {title(q).lower()}: {x}")),
    "parts": text("txt", lambda a, qs: each(lambda n, x, q: f"Question {n}\n{x}")(subparts([x.replace("\n", " ") for x in a]), qs)),
    "pdf_run_in": pdf(each(lambda n, x, q: f"{n}) {x}"), width=66),
    "docx_bold": docx(lambda a, qs: ["Module 9 short answers"] + [p for n, x in enumerate(a, 1) for p in [f'<w:p><w:r><w:rPr><w:b/></w:rPr><w:t>Q{n}</w:t></w:r></w:p>', *x.split("\n")]]),
    "tabs": text("txt", each(lambda n, x, q: f"{n}.\t{x}", "\n")),
    "section": text("txt", each(lambda n, x, q: f"\\section*{{Question {n}}}\n{x}")),
    "pages_questions": text("txt", lambda a, qs: paged(wrap(each(lambda n, x, q: f"Question {n} of 7\n\n{x}")(a, qs), 70), 18, "- {k} -")),
}
TRAPS |= {"parts"}
_plain_truth = truth


def truth(style, a):
    "What should be found."
    return subparts([x.replace("\n", " ") for x in a]) if style == "parts" else _plain_truth(style, a)
