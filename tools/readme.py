"""Write README.md from nbs/index.ipynb (nbdev's own command needs quarto): `python tools/readme.py`, or `--check` to compare only."""
import os, re, sys
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter

ROOT = Path(__file__).resolve().parent.parent
NBS, README = ROOT/'nbs', ROOT/'README.md'
NOTE = '<!-- Made from nbs/index.ipynb by `make readme`: edit the notebook, not this file. -->\n\n'

def read(path): return nbformat.read(path, as_version=4)

def lesson_row(path):
    "One row of the table of lessons, from the H1, the `>` subtitle and the first `N minutes` of the head; None where one is missing."
    head = '\n'.join([cell.source for cell in read(path).cells if cell.cell_type == 'markdown'][:2])
    title, builds, minutes = (re.search(pattern, head, re.M) for pattern in (r'^# (.+)$', r'^> (.+)$', r'(\d+)\s+minutes'))
    if not (title and builds and minutes): return None
    return f'| {path.name[:2]} | [{title[1].strip()}]({path.relative_to(NBS).as_posix()}) | {builds[1].strip()} | {minutes[1]} |'

def lesson_table(folder):
    "The table of lessons as Markdown, one row a numbered notebook of nbs/`folder`."
    rows = {path.name: lesson_row(path) for path in sorted((NBS/folder).glob('[0-9][0-9]_*.ipynb'))}
    poor = [name for name, row in rows.items() if row is None]
    if poor: sys.exit(f'The table of lessons needs a `# title`, a `> subtitle` and `N minutes` at the head of nbs/: {", ".join(poor)}')
    return '\n'.join(['| | lesson | builds | minutes |', '|---|---|---|---|', *rows.values()])

def is_hidden(cell):
    "True for a cell that nbdev does not show: its first line is `#| hide` or `#| default_exp`."
    return re.match(r'#\|\s*(hide|default_exp)\b', cell.source) is not None

def from_root(match):
    "A link of the notebook, relative to nbs/, as seen from the top folder; addresses and anchors stay."
    before, target = match.groups()
    if re.match(r'[a-z]+:|#', target): return match[0]
    return before + os.path.normpath(f'nbs/{target}')

def readme_text():
    "README.md as it should be, a str."
    notebook = read(NBS/'index.ipynb')
    notebook.cells = [cell for cell in notebook.cells if not is_hidden(cell)]
    text, _ = MarkdownExporter().from_notebook_node(notebook)
    for folder, mark in (('', 'lessons'), ('grading', 'grading lessons')):
        text, tables = re.subn(rf'<!-- {mark}\b.*?-->', lambda _: lesson_table(folder), text)
        if tables != 1: sys.exit(f'nbs/index.ipynb needs one `<!-- {mark} -->`, where that table of lessons goes.')
    return NOTE + re.sub(r'(\]\(|src=")([^)"\s]+)', from_root, text).strip() + '\n'

def main():
    fresh = readme_text()
    if '--check' not in sys.argv: README.write_text(fresh, encoding='utf-8')
    elif not README.exists() or README.read_text(encoding='utf-8') != fresh:
        sys.exit('README.md differs from nbs/index.ipynb: run `make readme` and commit the result.')

if __name__ == '__main__': main()
