"""Generation that loses nothing: real processes killed, full disks, torn files, concurrency."""
import json, os, random, signal, subprocess, sys, threading, time
from pathlib import Path

import pytest

from alpaca_course.eventlog import EventLog, LogError, read_events
from alpaca_course.parsing import PARSE_RULES, RULES, build_prompt
from alpaca_course.records import Record
from alpaca_course.selfinstruct import Outcome, distinct_ngrams, first_words, generate, plot_waterfall, replay, waterfall
from alpaca_course.teacher import Reply, TeacherError

SEEDS = [Record(f'{verb} the {noun}.', f'{noun} moon', f'{noun} done') for verb in 'Reverse Sort Spell Count Describe'.split() for noun in 'kings boxes coats rivers'.split()]


class Fake:
    "A deterministic teacher: the list it writes depends on the prompt alone; `pause(n)` seconds and `fail(n)` error for its n-th request."
    name, model = 'fake', 'fake-1'

    def __init__(self, pause=lambda n: 0, fail=lambda n: None): self.pause, self.fail, self.asked, self.lock = pause, fail, 0, threading.Lock()

    def ask(self, prompt, **sampling):
        with self.lock: self.asked += 1; n = self.asked
        time.sleep(self.pause(n))
        if error := self.fail(n): raise error
        rng = random.Random(prompt)
        word = lambda: ''.join(rng.choices('bdfgklmn', k=3)) + rng.choice('aeiou')
        block = lambda number: f'{number}. Instruction: {word().capitalize()} {" ".join(word() for _ in range(rng.randrange(2, 9)))}.\n{number}. Input: {rng.choice(["<noinput>", word()])}\n{number}. Output: {word()}'
        text = '\n###\n'.join(block(number) for number in range(4, 10)).removeprefix('4. Instruction:')
        return Reply(text, rng.choice(['stop', 'length']), 300, 100)

WRITER = '''
import sys, time
sys.path.insert(0, {tests!r})
from test_selfinstruct import Fake, SEEDS, generate
print(generate(Fake(pause=lambda n: {pause} * (n % 5)), SEEDS, {wanted}, {log!r}, **{options}).stopped)
'''

def start_process(log, wanted=300, pause=.004, **options):
    code = WRITER.format(tests=str(Path(__file__).parent), wanted=wanted, pause=pause, log=str(log), options=options)
    return subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

def lines(log): return log.read_bytes().count(b'\n') if log.exists() else 0

def wait_for_lines(process, log, n):
    until = time.monotonic() + 600
    while lines(log) < n and process.poll() is None and time.monotonic() < until: time.sleep(.002)

def essence(outcome): return outcome.records, outcome.rejected, outcome.requests, outcome.failures, outcome.prompt_tokens, outcome.completion_tokens

@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory): return generate(Fake(), SEEDS, 300, tmp_path_factory.mktemp('whole')/'log.jsonl')


# ---- processes that die
def test_killed_again_and_again_it_ends_like_an_undisturbed_run(tmp_path, undisturbed):
    log, rng, kills = tmp_path/'log.jsonl', random.Random(4), 0
    while kills < 10 and lines(log) < 50:
        process = start_process(log, pause=.02)  # slow enough to be there when the signal comes
        wait_for_lines(process, log, lines(log) + rng.randrange(1, 6))
        time.sleep(rng.random() * .005)
        process.kill()
        assert process.wait() == -signal.SIGKILL, process.stderr.read()
        kills += 1
        if kills == 3: log.open('ab').write(b'{"event": "request", "n": 3, "text": "torn')
    assert kills > 3
    out, err = start_process(log).communicate()
    assert out.startswith('done: 300'), err
    assert essence(replay(log)) == essence(undisturbed)
    numbers = [e['n'] for e in read_events(log) if e['event'] == 'request']
    assert len(numbers) == len(set(numbers)) and set(range(undisturbed.requests)) <= set(numbers)

def test_interrupted_by_a_person_it_logs_what_was_in_the_air(tmp_path, undisturbed):
    log = tmp_path/'log.jsonl'
    process = start_process(log, pause=.02)
    wait_for_lines(process, log, 9)
    process.send_signal(signal.SIGINT)
    assert 'KeyboardInterrupt' in process.communicate()[1]
    start_process(log).communicate()
    assert essence(replay(log)) == essence(undisturbed)

def test_a_second_process_is_refused(tmp_path):
    log = tmp_path/'log.jsonl'
    with EventLog(log):
        out, err = start_process(log).communicate()
        assert 'another process is writing this log' in err and out == ''
    assert log.read_bytes() == b''

def test_full_disk_keeps_the_log_intact(tmp_path, undisturbed):
    log = tmp_path/'log.jsonl'
    code = 'import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))\n' + WRITER.format(tests=str(Path(__file__).parent), wanted=300, pause=.004, log=str(log), options={})
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 1 and 'all earlier responses are safe there' in done.stderr.splitlines()[-1]
    assert log.read_bytes().endswith(b'}\n') and len(read_events(log)) > 3
    assert essence(generate(Fake(), SEEDS, 300, log)) == essence(undisturbed)

def test_cut_at_any_byte_it_can_be_continued(tmp_path):
    whole = generate(Fake(), SEEDS, 30, tmp_path/'whole.jsonl')
    data, log = (tmp_path/'whole.jsonl').read_bytes(), tmp_path/'cut.jsonl'
    for cut in random.Random(0).sample(range(len(data) + 1), 40) + [0, 1, len(data) - 1, data.index(b'\n'), data.index(b'\n') + 1]:
        log.write_bytes(data[:cut])
        assert essence(generate(Fake(), SEEDS, 30, log)) == essence(whole), cut
        assert essence(replay(log)) == essence(whole)


# ---- order does not matter
@pytest.mark.parametrize('concurrency', [1, 2, 16])
def test_concurrency_changes_nothing(tmp_path, undisturbed, concurrency):
    delays = random.Random(concurrency)
    outcome = generate(Fake(pause=lambda n: delays.random() * .02), SEEDS, 300, tmp_path/'log.jsonl', concurrency=concurrency)
    assert essence(outcome) == essence(undisturbed) == essence(replay(tmp_path/'log.jsonl'))

def test_several_requests_are_under_way_but_no_more_than_allowed(tmp_path):
    now, most = [0], [0]
    class Counting(Fake):
        def ask(self, prompt, **sampling):
            with self.lock: now[0] += 1; most[0] = max(most[0], now[0])
            reply = super().ask(prompt)
            with self.lock: now[0] -= 1
            return reply
    generate(Counting(pause=lambda n: .01), SEEDS, 100, tmp_path/'log.jsonl', concurrency=3)
    assert most[0] == 3

def test_more_wanted_later_is_the_same_as_more_wanted_at_once(tmp_path, undisturbed):
    for wanted in (10, 150, 300): outcome = generate(Fake(), SEEDS, wanted, tmp_path/'log.jsonl')
    assert essence(outcome) == essence(undisturbed)
    teacher = Fake()
    assert essence(generate(teacher, SEEDS, 300, tmp_path/'log.jsonl')) == essence(undisturbed) and teacher.asked == 0

def test_each_record_says_where_it_comes_from(tmp_path):
    outcome = generate(Fake(), SEEDS, 20, tmp_path/'log.jsonl', terms='for teaching')
    assert {r.terms for r in outcome} == {'for teaching'}
    assert outcome[0].source == 'self-instruct: fake request 0'


# ---- failures and stops
def run(tmp_path, teacher, wanted=300, **options): return generate(teacher, SEEDS, wanted, tmp_path/'log.jsonl', **options)

def test_single_failures_are_counted(tmp_path):
    outcome = run(tmp_path, Fake(fail=lambda n: TeacherError(['server', 'timeout', 'rate_limit'][n % 3], 'sorry') if n % 4 == 0 else None), concurrency=1)
    assert len(outcome) == 300 and set(outcome.failures) == {'server', 'timeout', 'rate_limit'}
    assert dict(waterfall(outcome))['failed requests'] == outcome.failures.total()
    assert essence(replay(tmp_path/'log.jsonl')) == essence(outcome)

def test_failures_in_a_row_stop_and_the_next_call_goes_on(tmp_path):
    outcome = run(tmp_path, Fake(fail=lambda n: TeacherError('server', 'sorry') if n > 10 else None))
    assert outcome.stopped.startswith('5 requests in a row failed (server)') and outcome.records
    assert replay(tmp_path/'log.jsonl') == outcome
    assert len(run(tmp_path, Fake())) == 300

@pytest.mark.parametrize('kind', ['auth', 'model', 'bad_request', 'unreachable'])
def test_fatal_errors_stop_at_once_and_cost_no_number(tmp_path, undisturbed, kind):
    teacher = Fake(fail=lambda n: TeacherError(kind, f'{kind}: do this') if n > 6 else None)
    outcome = run(tmp_path, teacher, concurrency=2)
    assert outcome.stopped == f'{kind}: do this' and outcome.records and teacher.asked <= 8
    assert replay(tmp_path/'log.jsonl') == outcome
    assert essence(run(tmp_path, Fake())) == essence(undisturbed)

def test_an_unexpected_error_is_raised_and_loses_nothing(tmp_path, undisturbed):
    with pytest.raises(ZeroDivisionError): run(tmp_path, Fake(fail=lambda n: ZeroDivisionError() if n == 7 else None))
    assert sum(e['event'] == 'request' for e in read_events(tmp_path/'log.jsonl')) >= 6
    assert essence(run(tmp_path, Fake())) == essence(undisturbed)

class Junk(Fake):
    def ask(self, prompt, **sampling): return Reply(['', 'the the the', '###\n' * 50, '4. Input: 4. Input:', '\ud800\0' * 9, '[' * 9999][len(prompt) % 6], None)

def test_a_teacher_that_writes_junk_ends_with_a_sentence(tmp_path):
    outcome = run(tmp_path, Junk())
    assert outcome.stopped.startswith('nothing kept from 10 requests: ') and outcome.requests == 10
    assert len(outcome.rejected) >= 10 and all(r.rule in [*PARSE_RULES, *RULES] for r in outcome.rejected)
    assert replay(tmp_path/'log.jsonl') == outcome

def test_a_teacher_that_repeats_itself_falls_under_the_floor(tmp_path):
    class Parrot(Fake):
        def ask(self, prompt, **sampling): return super().ask('the same prompt, always')
    outcome = run(tmp_path, Parrot())
    assert 'not above the floor of 2%' in outcome.stopped and 0 < len(outcome) < 20 and outcome.rejects['duplicate'] > 20

def test_max_requests_counts_the_whole_log(tmp_path):
    assert run(tmp_path, Fake(), max_requests=4).stopped.startswith('max_requests reached: 4 requests')
    teacher = Fake()
    assert run(tmp_path, teacher, max_requests=6).requests == 6 and teacher.asked <= 2

def test_progress_is_reported(tmp_path):
    seen = []
    outcome = run(tmp_path, Fake(), 60, on_progress=lambda out: seen.append(len(out)))
    assert seen == sorted(seen) and seen[-1] == 60 == len(outcome)


# ---- logs of somebody else
@pytest.mark.parametrize('change', [dict(seed=1), dict(threshold=.8), dict(tasks=10), dict(seeds_per_request=2), dict(terms='others'), dict(temperature=.5)])
def test_other_settings_are_refused(tmp_path, change):
    run(tmp_path, Fake(), 10)
    before = (tmp_path/'log.jsonl').read_bytes()
    with pytest.raises(LogError, match=f'other settings.*{"sampling" if "temperature" in change else list(change)[0]} was'): run(tmp_path, Fake(), 10, **change)
    with pytest.raises(LogError, match='seeds was'): generate(Fake(), SEEDS[1:], 10, tmp_path/'log.jsonl')
    assert (tmp_path/'log.jsonl').read_bytes() == before

def test_another_model_is_refused(tmp_path):
    run(tmp_path, Fake(), 10)
    other = Fake()
    other.model = 'fake-2'
    with pytest.raises(LogError, match="model was 'fake-1', now 'fake-2'"): run(tmp_path, other, 10)

@pytest.mark.parametrize('text', ['my thesis', 'my thesis\n', '{"instruction": "a"}\n', '[[[[' * 9999 + '\n', '{"event": "start"}\n', '\0\n', '{"event": "stop", "reason": ""}\n'])
def test_a_file_that_is_no_log_is_left_alone(tmp_path, text):
    (tmp_path/'log.jsonl').write_text(text)
    with pytest.raises(LogError, match='log'): run(tmp_path, Fake(), 10)
    assert (tmp_path/'log.jsonl').read_text() == text

def test_damage_inside_a_log_names_the_line(tmp_path):
    run(tmp_path, Fake(), 10)
    rows = (tmp_path/'log.jsonl').read_text().split('\n')
    (tmp_path/'log.jsonl').write_text('\n'.join([*rows[:2], rows[2][:50], *rows[3:]]))
    for call in (lambda: run(tmp_path, Fake(), 10), lambda: replay(tmp_path/'log.jsonl')):
        with pytest.raises(LogError, match='line 3'): call()

def test_replay_knows_by_what_tasks_were_compared(tmp_path):
    def instruction_only(record): return record.instruction
    outcome = run(tmp_path, Fake(), 20, key=instruction_only)
    assert replay(tmp_path/'log.jsonl', key=instruction_only) == outcome
    with pytest.raises(LogError, match="by 'instruction_only'"): replay(tmp_path/'log.jsonl')


# ---- arguments, measures
@pytest.mark.parametrize('seed', [Record('a', '', '###'), Record('a', '', 'x\n2. Input: y'), Record('1. Instruction: a', '', 'x')])
def test_seeds_with_separators_are_refused(tmp_path, seed):
    with pytest.raises(ValueError, match='change or drop it'): build_prompt([seed])
    with pytest.raises(ValueError, match='change or drop it'): generate(Fake(), [*SEEDS, seed], 10, tmp_path/'log.jsonl')
    assert not (tmp_path/'log.jsonl').exists()

@pytest.mark.parametrize('options', [dict(wanted=0), dict(concurrency=0), dict(max_requests=0), dict(threshold=0), dict(seeds_per_request=99), dict(seeds_per_request=0), dict(template='json'), dict(tasks=3)])
def test_impossible_arguments_are_refused_before_anything_is_written(tmp_path, options):
    with pytest.raises(ValueError): generate(Fake(), SEEDS, **{'wanted': 10, 'log': tmp_path/'log.jsonl', **options})
    assert not (tmp_path/'log.jsonl').exists()

def test_waterfall_adds_up(tmp_path):
    outcome = run(tmp_path, Fake(), 100)
    stages = waterfall(outcome)
    assert [s for s, _ in stages][:3] == ['requests', 'failed requests', 'tasks'] and stages[-1] == ('kept', 100)
    assert stages[2][1] - sum(n for _, n in stages[3:-1]) == 100
    import matplotlib
    matplotlib.use('Agg')
    assert len(plot_waterfall(outcome).patches) == len(stages) - 2
    assert waterfall(Outcome())[-1] == ('kept', 0) and plot_waterfall(Outcome())

def test_diversity_measures():
    assert distinct_ngrams(['a b c', 'a b c'], 2) == .5 and distinct_ngrams([], 4) == 0
    assert first_words(['Name it.', '"name" it', '...']) == {'name': 2}
