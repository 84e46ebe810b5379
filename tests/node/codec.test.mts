/** Bodies: the bytes are those of the vectors and of an independent encoder, and what has no form is refused with its path. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import * as independent from '@msgpack/msgpack';
import { connect, Ext, InvalidError, MalformedError, TooLargeError } from '@stargazer/core';
import { decode, encode, hasWholeFloats, load, plain, spelled } from './values.mjs';

const rows = load('envelope.json');
/** Fields that are floats to strict readers. */
const FLOATS = new Set(['timestamp', 'enqueued_at']);

test('values are written as the vectors say', async (t) => {
  for (const row of rows.values ?? []) {
    await t.test(row.name, () => {
      const value = plain(row.value);
      const written = encode(value);
      if (hasWholeFloats(row.value)) {
        assert.deepEqual(decode(written), decode(spelled(row)));
      } else if (row.hex === undefined) {
        assert.deepEqual([written.subarray(0, 16).toString('hex'), written.length], [row.head, row.length]);
      } else {
        assert.equal(written.toString('hex'), row.hex);
      }
      assert.deepEqual(decode(written), value);
    });
  }
});

test('other forms are read', async (t) => {
  for (const row of rows.other_forms ?? []) {
    await t.test(row.name, () => {
      const value = decode(spelled(row));
      assert.deepEqual(value, plain(row.value));
      assert.equal(encode(value).toString('hex'), row.written);
    });
  }
});

test('envelopes are read and written', async (t) => {
  for (const row of rows.accepted ?? []) {
    await t.test(`${row.kind} ${row.name}`, () => {
      const value = decode(spelled(row));
      assert.deepEqual(value, plain(row.value));
      const written = encode(value, row.kind === 'inbound' ? FLOATS : undefined);
      assert.equal(written.toString('hex'), spelled(row).toString('hex'));
    });
  }
});

test('bytes that are no body are malformed', async (t) => {
  for (const row of rows.refused ?? []) {
    if (row.kind !== 'plain' || row.read !== 'malformed') continue;
    await t.test(row.name, () => assert.throws(() => decode(spelled(row)), MalformedError));
  }
});

test('an independent codec agrees', () => {
  const body = {
    nil: null,
    numbers: [0, -1, 127, 128, 65536, -32769, 4294967295, 1.5, -0.25],
    text: ['', 'x'.repeat(31), 'é'.repeat(31), 'x'.repeat(300), '👩‍👩‍👧‍👦'.repeat(3000)],
    bytes: Buffer.alloc(300, 7),
    deep: { list: [[[{ a: [] }]]] },
    many: Array.from({ length: 70000 }, () => 1),
    at: new Date(1778757753123),
  };
  assert.ok(isDeepStrictEqual(independent.decode(encode(body)), body));
  assert.ok(isDeepStrictEqual(decode(independent.encode(body)), body));
  assert.ok(encode(body).equals(independent.encode(body)));
});

test('whole numbers beyond 32 bits travel as integers', () => {
  const written = (n: unknown) => encode(n).toString('hex');
  assert.equal(written(4294967296), 'cf0000000100000000');
  assert.equal(written(Number.MAX_SAFE_INTEGER), 'cf001fffffffffffff');
  assert.equal(written(-2147483649), 'd3ffffffff7fffffff');
  assert.equal(written(5n), '05');
  assert.equal(written(2n ** 64n - 1n), 'cfffffffffffffffff');
  assert.equal(written(-(2n ** 63n)), 'd38000000000000000');
  assert.equal(decode(encode(1778757753123)), 1778757753123);
  assert.equal(decode(encode(2n ** 60n)), 2n ** 60n);
});

test('dates travel as time stamps', () => {
  for (const ms of [0, 1, 1778757753123, 2 ** 32 * 1000, 2 ** 34 * 1000 + 5, -1, -62135596800000]) {
    const written = encode(new Date(ms));
    assert.deepEqual(decode(written), new Date(ms));
    assert.equal(written.toString('hex'), Buffer.from(independent.encode(new Date(ms))).toString('hex'));
  }
});

test('extensions come back as they were, and build no objects', () => {
  const set = Buffer.from('d4730091c0', 'hex').subarray(0, 3);
  assert.deepEqual(decode(set), new Ext(0x73, Buffer.from([0])));
  for (const size of [0, 1, 2, 3, 4, 8, 16, 255, 256, 70000]) {
    const ext = new Ext(-5, Buffer.alloc(size, 1));
    assert.deepEqual(decode(encode(ext)), ext);
  }
});

class Point {
  x = 1;
  y = 2;
}

/** Says that it is nothing. */
class Silent {
  toJSON(): void {}
}

test('kin of the plain types are written as those', () => {
  const stands: [unknown, unknown][] = [
    [{ a: undefined, b: null }, { b: null }],
    [new Map([['a', undefined]]), {}],
    [new Map([['b', 1]]), { b: 1 }],
    [new Point(), { x: 1, y: 2 }],
    [Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
    [{ toJSON: () => 'said' }.toJSON(), 'said'],
    [new URL('http://host/'), 'http://host/'],
    [new Uint8Array([1, 2]), Buffer.from([1, 2])],
    [new Uint8Array([1, 2]).buffer, Buffer.from([1, 2])],
    [Buffer.from('xaby').subarray(1, 3), Buffer.from('ab')],
  ];
  for (const [value, plainly] of stands) assert.deepEqual(decode(encode(value)), plainly);
});

test('a key without a value is left out, whatever the size of its map', () => {
  for (const size of [1, 2, 15, 16, 17, 0xffff, 0x10000, 0x10001]) {
    for (const left of [1, 2]) {
      const keys = Array.from({ length: size }, (_, n) => `k${n}`);
      const whole = Object.fromEntries(keys.map((key, n) => [key, n < left ? undefined : n]));
      const said = Object.fromEntries(Object.entries(whole).filter(([, value]) => value !== undefined));
      const [written, plainly] = [encode([whole, 'behind']), encode([said, 'behind'])];
      assert.ok(written.equals(plainly), `${left} of ${size}`);
    }
  }
});

test('a key named __proto__ is a key', () => {
  const body: unknown = JSON.parse('{"__proto__": {"polluted": true}}');
  const read = decode(encode(body)) as object;
  assert.deepEqual(Object.entries(read), [['__proto__', { polluted: true }]]);
  assert.equal((read as { polluted?: boolean }).polluted, undefined);
});

test('what has no form is refused with its path', () => {
  const nothing = () => {};
  const refused: [unknown, string, string][] = [
    [{ a: nothing }, 'a', 'a function'],
    [undefined, '', 'undefined'],
    [[1, undefined], '[1]', 'undefined'],
    [{ a: { left: undefined, b: new Array(2) } }, 'a.b[0]', 'undefined'],
    [{ a: new Silent() }, 'a', 'undefined'],
    [{ a: [{ b: Symbol('s') }] }, 'a[0].b', 'a symbol'],
    [{ n: 2n ** 64n }, 'n', 'an integer beyond 64 bits'],
    [[1, [2, -(2n ** 63n) - 1n]], '[1][1]', 'an integer beyond 64 bits'],
    [{ t: '\ud800' }, 't', 'text with a lone surrogate'],
    [{ t: `${'x'.repeat(40)}\udc00` }, 't', 'text with a lone surrogate'],
    [{ a: { '\udfff': 1 } }, 'a', 'text with a lone surrogate'],
    [{ at: new Date(Number.NaN) }, 'at', 'an invalid date'],
    [{ s: new Set([1]) }, 's', 'a Set'],
    [{ e: new Error('x') }, 'e', 'a Error'],
    [{ f: new Float32Array(2) }, 'f', 'a Float32Array'],
    [{ m: new Map([[1, 2]]) }, 'm', 'a key that is not text'],
    [nothing, '', 'a function'],
  ];
  for (const [value, field, found] of refused) {
    assert.throws(
      () => encode(value),
      (error) => {
        assert.ok(error instanceof InvalidError, String(error));
        assert.deepEqual([error.context.field, error.context.found], [field, found]);
        assert.ok(error.message.includes(field));
        return true;
      },
    );
  }
});

test('a body that holds itself is refused', () => {
  const body: Record<string, unknown> = { a: [] };
  (body.a as unknown[]).push(body);
  assert.throws(
    () => encode(body),
    (error) => error instanceof InvalidError && error.context.field === 'a[0]' && error.context.found === 'itself',
  );
  const shared = { x: 1 };
  assert.deepEqual(decode(encode([shared, shared])), [shared, shared]);
});

test('a key that goes while its map is read is left out', () => {
  const body = {
    get a() {
      Reflect.deleteProperty(this, 'b');
      return 1;
    },
    b: 2,
    c: 3,
  };
  assert.deepEqual(decode(encode(body)), { a: 1, c: 3 });
});

test('what stands on a prototype is not written', () => {
  assert.deepEqual(decode(encode(Object.create({ above: 1 }, { own: { value: 2, enumerable: true } }))), { own: 2 });
  const anywhere = Object.prototype as { everywhere?: number };
  anywhere.everywhere = 1;
  try {
    assert.equal(
      encode({ a: { b: 1 }, 2: 'two' }).toString('hex'),
      encode(
        new Map<string, unknown>([
          ['2', 'two'],
          ['a', new Map([['b', 1]])],
        ]),
      ).toString('hex'),
    );
  } finally {
    delete anywhere.everywhere;
  }
});

test('bodies of one burst may have any keys in any places', async () => {
  const bus = await connect('memory://');
  const long = 'k'.repeat(300);
  const bodies = [
    { a: 1, b: 2 },
    { b: 1, a: 2 },
    { a: 1, b: { b: 2, a: [] } },
    { [long]: 1, ä: 2 },
    { ä: 1, [long]: 2, c: 3 },
    Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`key${n}`, n])),
    { a: 3, ä: 4 },
  ];
  await Promise.all(bodies.map((body) => bus.publish('s', body)));
  assert.deepEqual(
    (await bus.entries('s')).map((entry) => entry.data),
    bodies,
  );
  await bus.close();
});

test('a body too deep for any limit is too large', () => {
  let body: unknown = [];
  for (let i = 0; i < 5000; i++) body = [body];
  assert.throws(() => encode(body), TooLargeError);
});

test('a refused body leaves nothing behind', async () => {
  const bus = await connect('memory://');
  const sent = [bus.publish('s', { n: 1 }), bus.publish('s', { n: () => {} }), bus.publish('s', { n: 3 })];
  const [first, second, third] = await Promise.allSettled(sent);
  assert.equal(first?.status, 'fulfilled');
  assert.equal(third?.status, 'fulfilled');
  assert.ok(second?.status === 'rejected' && second.reason instanceof InvalidError);
  assert.equal(second.reason.context.stored, 'no');
  assert.deepEqual(
    (await bus.entries('s')).map((entry) => entry.data),
    [{ n: 1 }, { n: 3 }],
  );
  await bus.close();
});

test('later changes of a body do not show', async () => {
  const bus = await connect('memory://');
  const body = { a: 1 };
  const sent = bus.publish('s', body);
  body.a = 2;
  await sent;
  assert.deepEqual((await bus.entries('s'))[0]?.data, { a: 1 });
  await bus.close();
});
