"""The data card: every figure against a recount of the log in other words, every change of a card found, no card for muddled terms."""
import copy, hashlib, html, json, random, re, statistics
from pathlib import Path

import pytest

from alpaca_course.budget import Budget
from alpaca_course.datacard import card_choices, card_rows, check_card, data_card, lengths, write_card
from alpaca_course.eventlog import LogError
from alpaca_course.records import Record, read_records, write_records
from alpaca_course.selfinstruct import generate, replay
from alpaca_course.statistics import wilson
from alpaca_course.teacher import Reply, TeacherError

SEEDS = [Record(f'{verb} the {noun}.', f'{noun} moon', f'{noun} done') for verb in 'Reverse Sort Spell Count'.split() for noun in 'kings boxes coats'.split()]
FREE = "the course's own scripted teacher: free to use"
CHOICES = dict(title='Small tasks, for tests', licence='apache-2.0', seeds='apache-2.0', base='small')


class Fake:
    "Lists of six tasks that depend on the prompt; some answers are cut, some fail, some carry no token counts."
    def __init__(self, name='scripted teacher-large', model='teacher-large', fail=(), silent=()): self.name, self.model, self.fail, self.silent, self.asked = name, model, set(fail), set(silent), 0

    def ask(self, prompt, **sampling):
        self.asked += 1
        if self.asked in self.fail: raise TeacherError(random.Random(self.asked).choice(['timeout', 'server']), 'a bad day')
        rng = random.Random(prompt)
        word = lambda: ''.join(rng.choices('bdfgklmnprst', k=4)) + rng.choice('aeiou')
        block = lambda i: f'{i}. Instruction: {word().capitalize()} {" ".join(word() for _ in range(rng.randrange(2, 9)))}.\n{i}. Input: {rng.choice(["<noinput>", word()])}\n{i}. Output: {" ".join(word() for _ in range(rng.randrange(1, 30)))}'
        text = '\n###\n'.join(block(i) for i in range(4, 10)).removeprefix('4. Instruction:')
        return Reply(text, rng.choice(['stop', 'length', None]), *((None, None) if self.asked in self.silent else (rng.randrange(200, 900), rng.randrange(50, 400))))

@pytest.fixture(scope='module')
def log(tmp_path_factory):
    path = tmp_path_factory.mktemp('card')/'log.jsonl'
    for wanted in (40, 70): generate(Fake('scripted teacher-large', fail={2, 5, 6}), SEEDS, wanted, path, concurrency=1, terms=FREE)
    return path

@pytest.fixture(scope='module')
def card(log): return data_card(log, **CHOICES)

def events(log): return [json.loads(line) for line in Path(log).read_text().splitlines()]
def save(path, events):
    path.write_text(''.join(json.dumps(event) + '\n' for event in events))
    return path
def figures(card): return {(section, name): html.unescape(value) for section, name, value in card_rows(card)}


# ---- figures against a recount
def priced(log, tmp_path):
    "The log with a few late replies, and prices that change on the way."
    lines = events(log)
    asked = [event for event in lines if event['event'] == 'request']
    last = max((event for event in asked if 'error' not in event), key=lambda event: event['n'])
    lines += [last | {'n': 900 + i, 'prompt_tokens': 1000 * i, 'completion_tokens': 10} for i in range(1, 4)]
    for event in lines:
        if event['event'] == 'request' and 'error' not in event: event['price'] = [2., 8., '2026-01'] if event['n'] % 2 else [20., 20., '2023-03']
    return save(tmp_path/'priced.jsonl', lines)

def test_requests_tokens_and_dollars(log, tmp_path):
    path = priced(log, tmp_path)
    found, lines = figures(data_card(path, **CHOICES)), [json.loads(line) for line in path.read_text().splitlines()]
    asked = [event for event in lines if event['event'] == 'request']
    replies = [event for event in asked if 'text' in event]
    money = {name: value for (section, name), value in found.items() if section == 'Requests and money'}
    assert int(money['requests in the log']) == len(asked) and int(money['not needed any more']) >= 3
    assert int(money['judged']) + int(money['not needed any more']) == len(asked)
    for kind in {event['error'] for event in asked if 'error' in event}: assert int(money[f'failed: {kind}']) == sum(event.get('error') == kind for event in asked)
    assert int(money['replies']) == len(replies) < len(asked)
    cut = sum(1 for event in replies if event['finish_reason'] in ('length', None))
    assert money['replies cut short'].endswith(f'; {cut} of {len(replies)})') and f'{100 * wilson(cut, len(replies)).low:.1f} to' in money['replies cut short']
    read, written = (sum(event[name] for event in replies) for name in ('prompt_tokens', 'completion_tokens'))
    assert (money['tokens read by the teacher'], money['tokens written by the teacher']) == (f'{read:,}', f'{written:,}')
    spent = 0
    for event in replies: spent += event['prompt_tokens'] / 1e6 * event['price'][0] + event['completion_tokens'] / 1e6 * event['price'][1]
    assert abs(float(money['dollars']) - spent) <= 5.1e-5 and abs(float(money['dollars for each kept record']) - spent / 70) <= 5.1e-7
    assert '$2 and $8' in money['prices'] and '$20 and $20' in money['prices']

def test_the_waterfall_adds_up_and_the_rules_are_those_of_the_rejects(log, card):
    found = {name: int(value) for (section, name), value in figures(card).items() if section == 'From tasks to records'}
    outcome = replay(log)
    lost = {rule: sum(reject.rule == rule for reject in outcome.rejected) for rule in {reject.rule for reject in outcome.rejected}}
    assert lost and {name: n for name, n in found.items() if name not in ('tasks', 'kept')} == lost
    assert found['tasks'] == found['kept'] + sum(lost.values()) and found['kept'] == 70

def test_the_records_against_the_data_file(log, card, tmp_path):
    write_records(replay(log).records, tmp_path/'data.jsonl')
    rows = [json.loads(line) for line in (tmp_path/'data.jsonl').read_text().splitlines()]
    found = {name: value for (section, name), value in figures(card).items() if section == 'The records'}
    assert found['SHA-256 of the data file'] == hashlib.sha256((tmp_path/'data.jsonl').read_bytes()).hexdigest()
    assert int(found['kept']) == len(rows) == 70
    assert found['with an input'].endswith(f"; {sum(row['input'] != '' for row in rows)} of 70)")
    for name, texts in [('instruction', [r['instruction'] for r in rows]), ('input', [r['input'] for r in rows if r['input']]), ('output', [r['output'] for r in rows])]:
        n = sorted(len(re.findall(r'\S+', text)) for text in texts)
        least = min(k for k in n if sum(x <= k for x in n) >= .9 * len(n))
        assert found[f'words of an {name}'] == f'mean {sum(n) / len(n):.1f}, median {statistics.median(n):g}, 90 % up to {least}, longest {max(n)}'
    for size in (1, 2, 3):
        grams = [' '.join(words[i:i + size]) for words in (r['instruction'].lower().split() for r in rows) for i in range(len(words) - size + 1)]
        assert found[f'distinct {size}-grams of the instructions'] == f'{len(set(grams)) / len(grams):.3f}'
    assert int(found['different first words']) == len({re.search(r'\w+', r['instruction'].lower())[0] for r in rows})
    assert found['task families covered'] == '0 of 35'

def test_how_it_was_made_is_what_the_log_says(log, card):
    start, found = events(log)[0], {name: value for (section, name), value in figures(card).items() if section == 'How it was made'}
    s = start['settings']
    assert (found['teacher'], found['model'], found['hash of the prompt template'], found['hash of the seed tasks']) == (start['teacher'], s['model'], s['prompt'], s['seeds'])
    assert (float(found['near copy above ROUGE-L']), int(found['seed tasks shown in a request']), int(found['random seed'])) == (.7, 3, 0)
    assert (int(found['records wanted']), int(found['seed tasks']), found['why it stopped']) == (70, 12, 'done: 70 records kept')
    assert found["hash of the log's first line"] == hashlib.sha256(log.read_bytes().splitlines()[0]).hexdigest()[:12]

def test_no_sum_without_all_counts_and_prices(tmp_path):
    for name, teacher in [('silent', Fake(silent={3})), ('unpriced', Fake(model='mine'))]:
        path = tmp_path/f'{name}.jsonl'
        generate(teacher, SEEDS, 30, path, concurrency=1, terms=FREE)
        found = figures(data_card(path, **CHOICES))
        assert found['Requests and money', 'dollars'] == found['Requests and money', 'dollars for each kept record'] == 'not known'
    assert found['Requests and money', 'prices'] == '-'
    lines = [event | {'error': 'server', 'prompt_tokens': 50, 'completion_tokens': 0} if event.get('n') == 1 and event['event'] == 'request' else event for event in events(path)]
    spent = figures(data_card(save(tmp_path/'paid-failure.jsonl', [event for event in lines if event['event'] != 'verdict']), **CHOICES))
    assert int(spent['Requests and money', 'tokens read by the teacher'].replace(',', '')) == sum(event.get('prompt_tokens') or 0 for event in lines if event['event'] == 'request')

def test_what_was_lost_under_a_budget_is_in_the_bill_at_most(tmp_path):
    path = tmp_path/'log.jsonl'
    generate(Fake(fail={2, 4}), SEEDS, 40, path, concurrency=1, terms=FREE, budget=Budget(dollars=10))
    found, lines = {name: value for (section, name), value in figures(data_card(path, **CHOICES)).items()}, events(path)
    settled = sum(read * 20 + written * 20 for read, written in (event['tokens'] for event in lines if event['event'] == 'settle')) / 1e6
    replied = sum((event['prompt_tokens'] + event['completion_tokens']) * 20 for event in lines if event['event'] == 'request' and 'text' in event) / 1e6
    assert abs(float(found['dollars']) - replied) < 1e-4 and abs(float(found['dollars at most, failed and unreported tries at their worst']) - settled) < 1e-4 and settled > replied

@pytest.mark.parametrize('n', range(1, 31))
def test_nearest_rank(n):
    rng = random.Random(n)
    counts = [rng.randrange(1, 40) for _ in range(n)]
    text = lengths(['w ' * k for k in counts])
    assert f"90 % up to {min(k for k in counts if sum(x <= k for x in counts) >= .9 * n)}, longest {max(counts)}" in text


# ---- every change is found
def test_a_card_agrees_with_its_log(log, card):
    assert check_card(card, log) == [] and data_card(log, **CHOICES) == card and card_choices(card) == CHOICES
    assert check_card(card.replace('\n', '\r\n'), log) == []

def test_every_changed_figure_is_named(log, card):
    rows = card_rows(card)
    assert len(rows) > 50
    for section, name, value in rows:
        at = card.index(f'| {name} | {value} |', card.index(f'## {section}\n'))
        changed = card[:at] + f'| {name} | {value}1 |' + card[at + len(f'| {name} | {value} |'):]
        faults = check_card(changed, log)
        assert faults, (section, name)
        if name not in ('licence offered', 'licence of the seed tasks', 'base'): assert len(faults) == 1 and faults[0].startswith(f'{section}, {name}: '), (faults, name)

def test_every_line_that_goes_missing_or_comes_twice_is_found(log, card):
    lines = card.split('\n')
    for i, line in enumerate(lines):
        if not line: continue
        gone = check_card('\n'.join(lines[:i] + lines[i + 1:]), log)
        assert gone, line
        if not line.startswith('| ') or 'figure | value' in line: continue
        chosen = any(line.startswith(f'| {name} |') for name in ('licence offered', 'licence of the seed tasks', 'base'))
        assert len(gone) == 1 and (chosen or 'missing; the log says' in gone[0]), (line, gone)
        assert [fault.split(': ')[-1] for fault in check_card('\n'.join(lines[:i + 1] + lines[i:]), log)] == ['comes more than once'], line

def test_every_changed_letter_is_found(log, card):
    rng = random.Random(0)
    for at in rng.sample(range(len(card)), 60):
        other = rng.choice([c for c in 'aZ09|#.\n ' if c != card[at]])
        changed = card[:at] + other + card[at + 1:]
        if card_rows(changed) and changed.split('\n')[0] == card.split('\n')[0]: assert check_card(changed, log), (at, card[at], other)

def test_a_new_title_is_a_choice_and_a_bad_one_a_fault(log, card):
    assert check_card(card.replace(CHOICES['title'], 'Another title'), log) == []
    assert 'a title is one line' in check_card(card.replace(CHOICES['title'], 'A | bar'), log)[0]

def test_the_card_of_another_run_does_not_pass(log, card, tmp_path):
    generate(Fake('scripted teacher-large'), SEEDS, 70, tmp_path/'other.jsonl', concurrency=1, seed=1, terms=FREE)
    faults = check_card(card, tmp_path/'other.jsonl')
    assert len(faults) > 5 and any('SHA-256' in fault for fault in faults)

def test_a_log_that_goes_on_ages_the_card(tmp_path):
    path = tmp_path/'log.jsonl'
    generate(Fake('scripted x'), SEEDS, 20, path, terms=FREE)
    card = data_card(path, 'T', 'mit', 'mit')
    assert check_card(card, path) == []
    generate(Fake('scripted x'), SEEDS, 40, path, terms=FREE)
    assert any(fault.startswith('The records, kept: ') for fault in check_card(card, path))

@pytest.mark.parametrize('text', ['', '#', '# T\n', 'hello', '| a | b |', '# T\n\n## Terms\n\n| licence offered | mit |\n', '# T\n\n## Terms\n\n| licence offered | mit |\n| licence of the seed tasks | gpl |\n| base | - |\n', '\0' * 99])
def test_what_is_no_card(log, text):
    faults = check_card(text, log)
    assert len(faults) == 1 and len(faults[0]) < 400


# ---- terms
def run(tmp_path, teacher, terms, name='log'):
    generate(Fake(teacher), SEEDS, 6, tmp_path/f'{name}.jsonl', terms=terms)
    return tmp_path/f'{name}.jsonl'

@pytest.mark.parametrize('teacher, terms, licence, seeds, base, says', [
    ('text-davinci-003', 'Apache-2.0', 'cc-by-nc-4.0', 'mit', None, 'stated under apache-2.0 and under openai-2023'),
    ('my-server', '', 'mit', 'mit', None, 'my-server: its terms are not known'),
    ('my-server', "terms of the endpoint's provider: look them up before you publish", 'mit', 'mit', None, 'its terms are not known'),
    ('scripted x', FREE, 'mit', 'unknown', None, 'seed tasks: its terms are not known'),
    ('scripted x', FREE, 'unknown', 'mit', None, 'the offer: its terms are not known'),
    ('scripted x', FREE, 'mit', 'mit', 'my-model', 'base my-model: its terms are not known'),
    ('scripted x', FREE, 'mit', 'cc-by-nc-4.0', None, "does not plainly give 'commercial'"),
    ('scripted x', FREE, 'mit', 'cc-by-sa-4.0', None, 'under the same licence only'),
    ('text-davinci-003', 'OpenAI terms of use (2023)', 'apache-2.0', 'mit', None, "does not plainly give 'commercial'"),
    ('scripted x', FREE, 'gpl', 'mit', None, "no licence 'gpl'"),
    ('scripted x', FREE, 'mit', 'mit', 'm=gpl', "no licence 'gpl'"),
])
def test_no_card_is_built(tmp_path, teacher, terms, licence, seeds, base, says):
    log = run(tmp_path, teacher, terms)
    with pytest.raises(ValueError, match=re.escape(says)): data_card(log, 'T', licence, seeds, base)
    with pytest.raises(ValueError): write_card(log, tmp_path/'CARD.md', title='T', licence=licence, seeds=seeds, base=base)
    assert not (tmp_path/'CARD.md').exists()

def test_a_promise_added_to_a_finished_card_is_found(tmp_path):
    log = run(tmp_path, 'text-davinci-003', 'OpenAI terms of use (2023)')
    card = data_card(log, 'T', 'cc-by-nc-4.0', 'mit')
    assert 'train-competitor | no: ' in card
    assert 'no data card' in check_card(card.replace('| licence offered | cc-by-nc-4.0 |', '| licence offered | apache-2.0 |'), log)[0]

def test_an_empty_run_has_no_card(tmp_path):
    class Mute(Fake):
        def ask(self, prompt, **sampling): return Reply('', 'stop', 1, 0)
    generate(Mute('scripted x'), SEEDS, 5, tmp_path/'log.jsonl', max_requests=2, terms=FREE)
    with pytest.raises(ValueError, match='nothing was kept'): data_card(tmp_path/'log.jsonl', 'T', 'mit', 'mit')

@pytest.mark.parametrize('title', ['', ' ', 'a\nb', 'a|b', '<b>', '# x', 'x' * 100, 'tail ', '`code`', '[link](x)', '\u202ex'])
def test_titles_that_would_break_the_page(log, title):
    with pytest.raises(ValueError, match='a title is one line'): data_card(log, title, 'mit', 'mit')


# ---- hostile logs
def test_nothing_in_a_log_can_break_the_table(tmp_path):
    path, evil = tmp_path/'log.jsonl', 'scripted | x |\n\n# owned\n<script>alert(1)</script> `` ``` ~~~ \x1b[31m'
    generate(Fake(evil), SEEDS, 6, path, terms='Apache-2.0', stop=['```\n# owned', '|'])
    card = data_card(path, 'T', 'apache-2.0', 'mit')
    assert check_card(card, path) == [] and '<script>' not in card and '\x1b' not in card
    assert [line for line in card.split('\n') if line.startswith('#') and line.strip('# ') not in ('T', 'Terms', 'How it was made', 'Requests and money', 'From tasks to records', 'The records', 'Known limits', 'Make it again')] == []
    assert all(line.count('|') == 3 for line in card.split('\n') if line.startswith('| ')) and card.count('\n```') == 2

JUNK = [None, True, -1, 10**30, 1.5, '', 'x', '\ud800', [], [None], [[]], [['a', 'b', 'c', 'd']], {}, {'a': []}, float('nan')]

def test_damaged_logs_are_refused_or_read_but_never_crash(log, tmp_path):
    rng, whole, refused = random.Random(9), events(log), 0
    for _ in range(120):
        lines = copy.deepcopy(whole)
        event = rng.choice(lines[:1] * 5 + lines)
        place = rng.choice([event] + [value for value in event.values() if isinstance(value, dict)] * 2)
        name = rng.choice([name for name in place if name != 'event'])
        if rng.random() < .2: del place[name]
        elif isinstance(place[name], list) and place[name] and rng.random() < .5: place[name][rng.randrange(len(place[name]))] = rng.choice(JUNK)
        else: place[name] = rng.choice(JUNK)
        bad = save(tmp_path/'bad.jsonl', lines)
        try: card = data_card(bad, **CHOICES)
        except (ValueError, OSError) as e: refused += 1; assert 0 < len(str(e)) < 900 and '\n' not in str(e), e
        else: assert check_card(card, bad) == []
    assert 20 < refused < 120

def test_a_log_in_which_one_verdict_was_changed(log, tmp_path):
    lines = events(log)
    verdict = next(event for event in lines if event['event'] == 'verdict' and event['tasks'])
    verdict['tasks'][0][0] = 'impossible' if verdict['tasks'][0][0] == 'kept' else 'kept'
    with pytest.raises(LogError): data_card(save(tmp_path/'bad.jsonl', lines), **CHOICES)

def test_write_card_replaces_in_one_move(log, tmp_path):
    path = tmp_path/'CARD.md'
    path.write_text('old')
    with pytest.raises(ValueError): write_card(log, path, title='T', licence='unknown', seeds='mit')
    assert path.read_text() == 'old'
    assert write_card(log, path, **CHOICES) == path.read_text() and list(tmp_path.iterdir()) == [path]

def test_records_of_the_card_are_those_of_the_file(log, card, tmp_path):
    "The one line of the card that tells how to make the data again works."
    write_records(replay(log).records, tmp_path/'data.jsonl')
    assert len(read_records(tmp_path/'data.jsonl')) == 70 and hashlib.sha256((tmp_path/'data.jsonl').read_bytes()).hexdigest() in card
