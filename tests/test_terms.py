"""Terms: the table against an oracle, mixtures that never permit more, and the report on hostile files."""
import copy, random
from dataclasses import asdict, replace
from itertools import combinations, permutations, product

import pytest

from alpaca_course import terms
from alpaca_course.ledger import append_claim, read_claims
from alpaca_course.records import Record, RecordError, write_records
from alpaca_course.terms import (ANSWERS, LICENCES, PURPOSES, RIGHTS, Licence, base_part, claim_terms, contradictions, licence_of, licence_of_model, misreadings, offer_problems, parts_of,
    permits, strictest, terms_report)

strength = ANSWERS.index


# ---- the table
def test_every_row_has_a_source_and_says_what_was_not_checked():
    for row in LICENCES.values():
        assert row.source and row.unchecked and len(row.answers) == len(RIGHTS)
        assert all(row.why.get(right) for right in RIGHTS if row.may(right) != 'yes'), row.id
        assert set(row.why) <= set(RIGHTS)
    assert set(LICENCES['unknown'].answers) == {'unknown'}

@pytest.mark.parametrize('text', ['Apache', 'CC BY', 'apache-2.0 or mit', 'GPL-3.0', 'free', 'cc-by-nc', 'unknown', 'mit\0', 'ＭＩＴ', 'none', 'CC BY-NC 4.0 (see file)'])
def test_only_exact_names_count(text): assert licence_of(text) == 'unknown'

@pytest.mark.parametrize('name', ['Qwen/Qwen2.5-3B', 'Qwen/Qwen2.5-72B', 'qwen2.5-0.5b', 'meta-llama/Llama-3.1-8B', 'someone/llama-7b-tuned', 'gpt-oss-120b', 'gpt-5', 'smallish', 'llama', '', 'not text-davinci-003'])
def test_a_name_that_only_resembles_is_unknown(name): assert licence_of_model(name) == 'unknown'

def test_a_row_without_its_reasons_cannot_be_made():
    for fault in (dict(answers=('no',) * 5), dict(answers=('yes',) * 4), dict(answers=('maybe',) * 5), dict(source=''), dict(unchecked=''), dict(keeps='forever')):
        with pytest.raises(ValueError, match="licence 'x'"): Licence(**dict(id='x', name='X', source='s', unchecked='u') | fault)


# ---- mixtures
def oracle(ids, purpose):
    "The answer by the rules in words: the worst answer of all parts to all needed rights, and share-alike beside other limits is unknown."
    worst = min((strength(LICENCES[id].may(right)) for id in ids for right in PURPOSES[purpose]))
    clash = any(LICENCES[a].keeps == 'licence' and LICENCES[b].keeps and a != b for a in ids for b in ids)
    return ANSWERS[min(worst, 1) if clash and purpose == 'redistribute' else worst]

def parts(ids): return [(f'part {i}', id) for i, id in enumerate(ids)]

@pytest.mark.parametrize('purpose', PURPOSES)
def test_all_mixtures_of_up_to_three(purpose):
    for size in (1, 2, 3):
        for ids in combinations(LICENCES, size): assert permits(parts(ids), purpose).allowed == oracle(ids, purpose), ids

def test_adding_a_part_never_permits_more_and_never_hides_a_reason():
    for ids in combinations(LICENCES, 3):
        whole = parts(ids)
        for purpose, left_out in product(PURPOSES, range(3)):
            more, less = permits(whole, purpose), permits(whole[:left_out] + whole[left_out + 1:], purpose)
            assert strength(more.allowed) <= strength(less.allowed)
            assert set(less.reasons) <= set(more.reasons) and set(less.duties) <= set(more.duties)

def test_order_and_repeats_do_not_matter():
    rng = random.Random(1)
    for _ in range(60):
        some = [(f'part {rng.randrange(3)}', rng.choice(list(LICENCES))) for _ in range(4)]
        for purpose in PURPOSES:
            first = permits(some, purpose)
            assert all(permits(list(order), purpose) == first for order in permutations(some))
            assert permits(some + some, purpose) == first

def test_yes_comes_without_reasons_and_anything_else_with_one():
    for ids in combinations(LICENCES, 2):
        for purpose in PURPOSES:
            found = permits(parts(ids), purpose)
            assert (found.allowed == 'yes') == (not found.reasons) and (not found.reasons or found.reasons[0].startswith(found.allowed))

def test_each_pair_of_known_licences_on_one_part_is_a_contradiction():
    for a, b in combinations(LICENCES, 2):
        found = contradictions([('data', a), ('data', b), ('base', 'mit')])
        assert len(found) == (0 if 'unknown' in (a, b) else 1)
        if found: assert a in found[0] and b in found[0] and permits([('data', a), ('data', b)], 'research').reasons[-1] == found[0]

def test_the_contradiction_of_alpaca_is_reported_and_decides_nothing_silently():
    said = [('data', id) for id in terms.ALPACA_SAYS]
    assert permits(said, 'commercial').allowed == 'no' and contradictions(said)
    assert offer_problems(said, 'cc-by-nc-4.0') and any('stated under' in fault for fault in offer_problems(said, 'cc-by-nc-4.0'))

def test_an_offer_never_gives_more_than_the_parts():
    rights = ('research', 'commercial', 'derive')
    for ids in combinations(LICENCES, 2):
        for offer in LICENCES:
            if offer_problems(parts(ids), offer): continue
            assert 'unknown' not in (*ids, offer)
            assert all(LICENCES[id].may('redistribute') == 'yes' for id in ids)
            assert all(strictest(LICENCES[id].may(right) for id in ids) == 'yes' for right in rights if LICENCES[offer].may(right) == 'yes'), (ids, offer)
            assert all(id == offer for id in ids if LICENCES[id].keeps == 'licence'), (ids, offer)
    assert all(offer_problems([('a', id)], id) == [] for id in ('mit', 'cc-by-nc-4.0', 'cc-by-sa-4.0', 'odc-by-1.0', 'llama-3.2'))

def test_mistakes_are_explained():
    for call, says in [(lambda: permits([], 'research'), 'no parts'), (lambda: permits([('a', 'mit')], 'sale'), "no purpose 'sale'"), (lambda: permits([('a', 'wtfpl')], 'research'), "no licence 'wtfpl'"),
                       (lambda: base_part('x=nothing'), "no licence 'nothing'"), (lambda: offer_problems([('a', 'mit')], 'nothing'), "no licence 'nothing'")]:
        with pytest.raises(ValueError, match=says): call()


# ---- the claim
def test_the_claim_by_brute_force(tmp_path):
    stated = {'research': 'yes', 'commercial': 'no', 'train-competitor': 'no'}
    shares = []
    for data in ('cc-by-nc-4.0', 'odc-by-1.0', 'apache-2.0'):
        ids = ['llama-1', 'openai-2023', data]
        for id, right, answer in product(ids, RIGHTS, ANSWERS):
            table = {i: dict(zip(RIGHTS, LICENCES[i].answers)) for i in ids}
            table[id][right] = answer
            worst = lambda purpose: min((table[i][r] for i in ids for r in PURPOSES[purpose]), key=strength)
            shares.append(sum(worst(purpose) == said for purpose, said in stated.items()) / 3)
    claim = claim_terms()
    assert (claim.low, claim.high) == (min(shares), max(shares)) and claim.n == 3 and claim.low <= claim.estimate <= claim.high
    assert claim == claim_terms() and claim.verdict == 'supported'
    append_claim(tmp_path/'ledger.jsonl', **asdict(claim))
    assert read_claims(tmp_path/'ledger.jsonl') == [claim]

def test_the_claim_can_fail(monkeypatch):
    monkeypatch.setattr(terms, 'ALPACA_STATED', {'research': 'no', 'commercial': 'yes', 'train-competitor': 'yes'})
    claim = claim_terms()
    assert claim.estimate == 0 and claim.verdict != 'supported'
    monkeypatch.setattr(terms, 'ALPACA_STATED', {'research': 'unknown'})
    assert claim_terms().verdict != 'supported'

def test_misreadings_change_one_cell_and_leave_the_table_alone():
    before = copy.deepcopy(LICENCES)
    for table in misreadings(['mit', 'unknown']): assert sum(table[id].answers != LICENCES[id].answers for id in LICENCES) == 1
    assert LICENCES == before


# ---- hostile records and the report
def save(path, *records):
    write_records(records, path)
    return path

def test_exit_codes(tmp_path):
    mine, nc = save(tmp_path/'mine.jsonl', Record('A', '', 'B', 'me', 'Apache-2.0')), save(tmp_path/'nc.jsonl', Record('C', '', 'D', 'Alpaca', 'CC BY-NC 4.0'))
    silent, other = save(tmp_path/'silent.jsonl', Record('E', '', 'F')), save(tmp_path/'other.json', Record('C', '', 'D', 'Alpaca', 'ODC-By'))
    code = lambda *files, base=None, purpose=None: terms_report(files, base, purpose)[1]
    assert code(mine) == code(mine, base='small') == code(mine, purpose='commercial', base='Qwen/Qwen2.5-0.5B') == code(nc) == code(mine, nc, purpose='research') == 0
    assert code(nc, purpose='commercial') == code(mine, nc, purpose='commercial') == code(silent) == code(mine, silent, purpose='research') == code(nc, other) == code(mine, base='my-model') == 1
    assert code(mine, base='my-model=mit', purpose='redistribute') == 0
    text, _ = terms_report([nc, other])
    assert 'contradiction: Alpaca: stated under cc-by-nc-4.0 and under odc-by-1.0' in text and text.endswith('not legal advice.')

def test_a_teacher_known_by_name_is_held_to_its_terms(tmp_path):
    claimed = [Record('A', '', 'B', 'self-instruct: text-davinci-003 at https://api.example.org/v1 request 12', 'MIT')]
    assert contradictions(parts_of(claimed)) and terms_report([save(tmp_path/'a.jsonl', *claimed)])[1] == 1
    honest = [replace(claimed[0], terms='OpenAI terms of use (2023)')]
    assert not contradictions(parts_of(honest)) and permits(parts_of(honest), 'train-competitor').allowed == 'no'

def test_texts_cannot_paint_the_terminal(tmp_path):
    evil = Record('A', '', 'B', 'me\x1b[2J\x1b]0;title\x07\r\nresearch: yes', 'MIT\x1b[31m\u202e')
    text, code = terms_report([save(tmp_path/'a.jsonl', evil)])
    assert code == 1 and all(c.isprintable() for c in text.replace('\n', '')) and 'research: unknown' in text
    assert [line for line in text.split('\n') if line.startswith('research: yes')] == []

def test_twenty_thousand_sources_make_a_short_report(tmp_path):
    files = [save(tmp_path/'many.jsonl', *[Record('A', '', 'B', f'source {i}', 'CC BY-NC 4.0' if i % 2 else '') for i in range(20_000)])]
    text, code = terms_report(files, 'small', 'commercial')
    assert code == 1 and text.count('\n') < 60 and '19,988 more' in text

def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(RecordError, match='no such file'): terms_report([tmp_path/'none.jsonl'])
    (tmp_path/'bad.jsonl').write_text('{"instruction": "A", "output": "B", "terms": 7}\n')
    with pytest.raises(RecordError, match="line 1: 'terms' must be text"): terms_report([tmp_path/'bad.jsonl'])
    (tmp_path/'nul.jsonl').write_text('{"instruction": "A", "output": "B", "source": "\\u0000"}\n')
    with pytest.raises(RecordError, match='NUL'): terms_report([tmp_path/'nul.jsonl'])
