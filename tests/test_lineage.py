"""Lineage against what the teacher was really shown, in all forms, and on damaged logs and files."""
import copy, json, random, threading
from pathlib import Path

import pytest

from alpaca_course.budget import Budget
from alpaca_course.datacard import read_log
from alpaca_course.eventlog import LogError
from alpaca_course.lineage import lineage, lineage_faults, text_hash, write_with_lineage
from alpaca_course.records import Record, read_records, read_seeds, short_hash, write_records
from alpaca_course.selfinstruct import generate, replay
from alpaca_course.teacher import Reply, TeacherError, open_teacher

SEEDS = [Record(f'{verb} the {noun}.', f'{noun} moon', f'{noun} done') for verb in 'Reverse Sort Spell Count'.split() for noun in 'kings boxes coats'.split()]
FREE = "the course's own scripted teacher: free to use"


class Spy:
    "Writes four tasks that depend on the prompt, and remembers which prompt each reply answered."
    name = model = 'spy'
    def __init__(self, fail=()): self.prompts, self.fail, self.asked, self.lock = {}, set(fail), 0, threading.Lock()

    def ask(self, prompt, **sampling):
        with self.lock: self.asked += 1; n = self.asked
        if n in self.fail: raise TeacherError('timeout', 'slow')
        rng = random.Random(prompt)
        word = lambda: ''.join(rng.choices('bdfgklmnprst', k=5)) + rng.choice('aeiou')
        text = '\n###\n'.join(f'{i}. Instruction: {word().capitalize()} {" ".join(word() for _ in range(rng.randrange(3, 9)))}.\n{i}. Input: <noinput>\n{i}. Output: {word()}' for i in range(4, 8))
        with self.lock: self.prompts[text] = prompt
        return Reply(text, rng.choice(['stop', 'length']), 300, 100)

@pytest.fixture
def log(tmp_path):
    generate(Spy(), SEEDS, 30, tmp_path/'log.jsonl', terms=FREE)
    return tmp_path/'log.jsonl'


# ---- lineage
@pytest.mark.parametrize('concurrency', [1, 8])
def test_parents_are_the_seeds_the_teacher_was_shown(tmp_path, concurrency):
    spy, log = Spy(fail={2, 5}), tmp_path/'log.jsonl'
    outcome = generate(spy, SEEDS, 60, log, concurrency=concurrency, terms=FREE)
    lines, known, replies = lineage(log), {text_hash(seed): seed for seed in SEEDS}, {short_hash([text]): text for text in spy.prompts}
    assert len(lines) == 60 and outcome.failures
    for record, line in zip(outcome, lines, strict=True):
        text = replies[line.reply]
        assert record.instruction in text and record.output in text and line.record == text_hash(record)
        shown = [known[parent] for parent in line.parents]
        places = [spy.prompts[text].index(f'Instruction: {seed.instruction}\n') for seed in shown]
        assert places == sorted(places) and len(set(places)) == 3
        assert not any(f'Instruction: {seed.instruction}\n' in spy.prompts[text] for seed in SEEDS if seed not in shown)
        assert (line.teacher, line.model, line.terms, line.licence, line.template) == ('spy', 'spy', FREE, 'scripted', 'alpaca')

def test_lineage_does_not_change_when_the_log_goes_on_or_moves(tmp_path, log):
    before = lineage(log)
    generate(Spy(), SEEDS, 45, log, terms=FREE)
    assert lineage(log)[:30] == before
    moved = tmp_path/'elsewhere.jsonl'
    moved.write_bytes(log.read_bytes() + b'{"event": "request", "n": 99, "te')  # and torn
    assert lineage(moved) == lineage(log)

def test_a_data_file_with_lineage_is_a_data_file(tmp_path, log):
    data = tmp_path/'data.jsonl'
    assert write_with_lineage(log, data) == 30 and read_records(data) == replay(log).records and lineage_faults(log, data) == []
    plain = tmp_path/'plain.json'
    write_records(replay(log).records, plain)
    assert lineage_faults(log, plain) == [f'record {n}: no lineage' for n in range(1, 31)]

def test_each_changed_field_of_a_lineage_is_named(tmp_path, log):
    data = tmp_path/'data.jsonl'
    write_with_lineage(log, data)
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    for name, value in rows[3]['lineage'].items():
        for other in (None, 'x', 7, [], {}, value[::-1] + ['x'] if isinstance(value, list) else f'{value}x'):
            if other == value: continue
            changed = copy.deepcopy(rows)
            changed[3]['lineage'][name] = other
            data.write_text(''.join(json.dumps(row) + '\n' for row in changed))
            faults = lineage_faults(log, data)
            assert len(faults) == 1 and faults[0].startswith(f'record 4: {name!r} is '), (name, other)
    for gone in ('lineage', [], 'text'):
        changed = copy.deepcopy(rows)
        changed[3]['lineage'] = gone
        data.write_text(''.join(json.dumps(row) + '\n' for row in changed))
        assert lineage_faults(log, data) == ['record 4: no lineage']

def test_records_of_another_log_do_not_pass(tmp_path, log):
    other, data = tmp_path/'other.jsonl', tmp_path/'data.jsonl'
    generate(Spy(), SEEDS, 10, other, seed=5, terms=FREE)
    write_with_lineage(other, data)
    assert len(lineage_faults(log, data)) == 10


class Listener:
    "A teacher that notes every prompt with its reply."
    def __init__(self, teacher): self.teacher, self.name, self.model, self.heard = teacher, teacher.name, teacher.model, []
    def ask(self, prompt, **sampling):
        reply = self.teacher.ask(prompt, **sampling)
        self.heard.append((prompt, reply.text))
        return reply

@pytest.fixture(scope='module')
def world_seeds(): return read_seeds(Path(__file__).parent.parent/'data/seed_tasks.jsonl')[:40]

@pytest.mark.parametrize('template', ['jsonl', 'threestep'])
def test_lineage_of_the_other_forms(tmp_path, world_seeds, template):
    log = tmp_path/'log.jsonl'
    with open_teacher('teacher-large') as teacher:
        listener = Listener(teacher)
        outcome = generate(listener, world_seeds, 60, log, template=template, terms=FREE)
    lines, requests, known = lineage(log), read_log(log)[1], {text_hash(seed): seed.instruction for seed in world_seeds}
    assert len(lines) == len(outcome) == 60
    for record, line in zip(outcome, lines, strict=True):
        first, last = requests[line.requests[0]]['text'], requests[line.requests[-1]]['text']
        assert json.dumps(record.instruction, ensure_ascii=False) in first and short_hash([last]) == line.reply
        assert any(json.dumps(record.output, ensure_ascii=False) in text for text in (last,)) or record.output in last
        shown = [known[parent] for parent in line.parents]
        quoted = lambda text: json.dumps(text, ensure_ascii=False)
        fits = [prompt for prompt, text in listener.heard if text == first and all(quoted(one) in prompt for one in shown)]
        assert fits and not any(quoted(other) in fits[0] for other in set(known.values()) - set(shown))
        if template == 'jsonl': assert line.own == () and len(line.requests) == 1; continue
        assert len(line.requests) == 3 and requests[line.requests[1]]['step'] == 'label' and len(shown) + len(line.own) == 8
        assert {short_hash([one['instruction']]) for one in map(json.loads, fits[0].split('\n\n')[-1].strip().split('\n'))} >= set(line.own)
    assert template == 'jsonl' or any(line.own for line in lines)

def test_a_log_written_under_a_budget_is_read(tmp_path):
    log = tmp_path/'log.jsonl'
    generate(Spy(fail={2}), SEEDS, 20, log, budget=Budget(tokens=200_000), concurrency=1, terms=FREE)
    assert {'reserve', 'settle'} <= {json.loads(line)['event'] for line in log.read_text().splitlines()} and len(lineage(log)) == 20


# ---- hostile logs
JUNK = [None, True, -1, 10**30, 1.5, '', 'x', '\ud800', [], [None], [[]], [['a', 'b', 'c', 'd']], {}, {'a': []}, 'nan', float('nan')]

def mutated(events, rng):
    "A copy of the events in which one value, somewhere, is junk or gone."
    events = copy.deepcopy(events)
    event = rng.choice(events)
    place = rng.choice([event] + [value for value in event.values() if isinstance(value, dict)])
    name = rng.choice([name for name in place if name != 'event'] or ['event'])
    if rng.random() < .2: del place[name]
    elif isinstance(place[name], list) and place[name] and rng.random() < .5: place[name][rng.randrange(len(place[name]))] = rng.choice(JUNK)
    else: place[name] = rng.choice(JUNK)
    return events

@pytest.mark.parametrize('form, times', [('alpaca', 200), ('budget', 80), ('threestep', 60)])
def test_damaged_logs_are_refused_or_read_but_never_crash(tmp_path, log, world_seeds, form, times):
    if form == 'budget': generate(Spy(), SEEDS, 30, log, budget=Budget(tokens=200_000), terms=FREE) and generate(Spy(), SEEDS, 60, log, budget=Budget(tokens=200_000), terms=FREE)
    if form == 'threestep':
        log = tmp_path/'three.jsonl'
        with open_teacher('teacher-large') as teacher: generate(teacher, world_seeds, 20, log, template='threestep', terms=FREE)
    rng, events, bad = random.Random(3), [json.loads(line) for line in log.read_text().splitlines()], tmp_path/'bad.jsonl'
    refused = 0
    for _ in range(times):
        bad.write_text(''.join(json.dumps(event) + '\n' for event in mutated(events, rng)))
        try: lineage(bad)
        except (ValueError, OSError) as e: refused += 1; assert 0 < len(str(e)) < 700 and '\n' not in str(e), e
    assert times / 8 < refused < times

@pytest.mark.parametrize('content, says', [(b'', 'empty'), (b'\0\0\n', 'line 1'), (b'{"event": "start"}\n', "without 'seeds'"), (b'[' * 100_000 + b'\n', 'nested too deeply'), (b'\xff\xfe\n', 'line 1'), (b'{"a": 1, "a": 2}\n', 'line 1')])
def test_files_that_are_no_logs(tmp_path, content, says):
    (tmp_path/'log.jsonl').write_bytes(content)
    with pytest.raises(LogError, match=says): read_log(tmp_path/'log.jsonl')

def test_a_request_that_shows_seeds_that_are_not_there(tmp_path, log):
    for shown in ([0, 1, 12], [0, -1, 2], [0, True, 2], 'abc'):
        events = [json.loads(line) for line in log.read_text().splitlines()]
        next(event for event in events if event['event'] == 'request')['seeds'] = shown
        (tmp_path/'bad.jsonl').write_text(''.join(json.dumps(event) + '\n' for event in events))
        with pytest.raises(LogError, match='go back to the original'): lineage(tmp_path/'bad.jsonl')
