#!/usr/bin/env python3
"""Opens a walletfs wallet in a SQLite file, written from man/walletfs-format.5.md alone.

    open-wallet.py FILE WALLET        two lines on stdin: device password, memorable password;
                                      prints {domain: {access: {uid, pwd, info: {key: value}}}},
                                      and `history` beside them, where there is one: the same, but
                                      of [until, modified, value] lists, the newest first
    open-wallet.py --removed FILE WALLET
                                      the same of the secrets that are marked as removed, and
                                      `removed` beside, the time
    open-wallet.py BACKUP             the same for a backup file
    open-wallet.py --vectors FILE     computes every test vector again, compares

Needs PyPI's cryptography (44 or later) and cbor2; `scripts/tools python` installs them.
Exit code 0 only if everything is as it must be.
"""

import hashlib
import hmac
import json
import pathlib
import sqlite3
import sys

import cbor2
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand


def need(truth, what):
    if not truth:
        sys.exit(f"refused: {what}")


def u32(n):
    return n.to_bytes(4, "big")


def u64(n):
    return n.to_bytes(8, "big")


def lp(x):
    return u32(len(x)) + x


def sha256(x):
    return hashlib.sha256(x).digest()


def cbor(x):
    return cbor2.dumps(x, canonical=True)


def uncbor(x):
    value = cbor2.loads(x)
    need(cbor(value) == x, "CBOR that is not deterministic")
    return value


def padded(x):
    size = 4 + len(x)
    e = size.bit_length() - 1
    step = 1 << (e - e.bit_length())
    size = max(256, (size + step - 1) // step * step)
    return lp(x).ljust(size, b"\0")


def unpadded(p):
    x = p[4 : 4 + int.from_bytes(p[:4], "big")]
    need(padded(x) == p, "padding")
    return x


def argon2id(password, salt, kdf, secret=None):
    memory, passes, lanes = kdf
    within = 19456 <= memory <= 1 << 20 and 2 <= passes <= 16 and 1 <= lanes <= 16
    need(within, "key derivation out of bounds")
    kdf = Argon2id(
        salt=salt, length=32, memory_cost=memory, iterations=passes, lanes=lanes, secret=secret
    )
    return kdf.derive(password)


def expand(key, info, length=32):
    return HKDFExpand(SHA256(), length, info).derive(key)


def slot_keys(stretched):
    both = expand(stretched, b"walletfs 1 slot", 64)
    return both[:32], both[32:]


def aad_keyring(wallet_id, public):
    return b"walletfs 1 keyring" + lp(wallet_id) + lp(public)


def recovered(key, wallet_id, salt):
    return expand(key, b"walletfs 1 recovery" + lp(wallet_id) + lp(salt))


def item_key(master, wallet_id, id):
    return expand(master, b"walletfs 1 item" + lp(wallet_id) + lp(id.encode()))


def digest_key(master):
    return expand(master, b"walletfs 1 digest")


def digest_term(digest_key, id, version, meta):
    return hmac.digest(digest_key, lp(id.encode()) + u64(version) + sha256(meta), "sha256")


def aad_meta(wallet_id, id, version):
    return b"walletfs 1 meta" + lp(wallet_id) + lp(id.encode()) + u64(version)


def aad_data(wallet_id, id):
    return b"walletfs 1 data" + lp(wallet_id) + lp(id.encode())


def aad_head(wallet_id, generation, meta):
    return b"walletfs 1 head" + lp(wallet_id) + u64(generation) + sha256(meta)


# ---- the reader ---------------------------------------------------------------------------------


def unlock(head, device_password, memorable):
    """The keyring {epoch: master key}."""
    device_key = argon2id(device_password, head[3], head[4])
    for slot in head[5]:
        public = uncbor(slot[1])
        if public[1] != 1:
            continue
        kek, proof = slot_keys(argon2id(memorable, public[2], public[3], device_key))
        if hmac.compare_digest(proof, slot[4]):
            return uncbor(AESGCM(kek).decrypt(slot[2], slot[3], aad_keyring(head[2], slot[1])))[1]
    sys.exit("refused: a password is wrong")


def open_part(keyring, wallet_id, id, aad, part):
    """The CBOR in a sealed part, and the epoch of its key."""
    need(part[0] == 1, "unknown format")
    epoch = int.from_bytes(part[1:5], "big")
    key = item_key(keyring[epoch], wallet_id, id)
    return uncbor(unpadded(AESGCM(key).decrypt(part[5:17], part[17:], aad))), epoch


def stored_items(file, wallet):
    database = sqlite3.connect(pathlib.Path(file).resolve().as_uri() + "?mode=ro", uri=True)
    query = "SELECT id, version, meta, data FROM items WHERE wallet = ? ORDER BY id"
    return list(database.execute(query, [wallet]))


def backup_items(file):
    content = pathlib.Path(file).read_bytes()
    need(content[:16] == b"walletfs backup\n", "no backup file")
    need(content[16:20] == u32(1), "unknown format of a backup file")
    need(sha256(content[:-32]) == content[-32:], "a damaged backup file")
    at = 20

    def take(length):
        nonlocal at
        at += length
        return content[at - length : at]

    def number(length):
        return int.from_bytes(take(length), "big")

    def part():
        return take(number(4))

    need({1, 2} <= uncbor(part()).keys(), "no description")
    items = [(part().decode(), number(8), part(), part()) for _ in range(number(8))]
    need(at == len(content) - 32, "a backup file of another length")
    return items


def open_wallet(items, device_password, memorable):
    need(items and items[-1][0] == "head", "no such wallet")
    *items, (_, generation, head_meta, head_data) = items
    head = uncbor(head_meta)
    need(head[1] == 1, "unknown format")
    need(set(head[6]) <= {"trash"}, f"unknown features {head[6]}")
    need(len(head[6]) < 2, "a feature that is named twice")
    wallet_id = head[2]
    keyring = unlock(head, device_password, memorable)
    aad = aad_head(wallet_id, generation, head_meta)
    sealed, epoch = open_part(keyring, wallet_id, "head", aad, head_data)
    need(epoch == max(keyring), "the head is sealed under an old key")
    digest, secrets, removed = bytes(32), {}, {}
    for id, version, meta, data in items:
        need(version <= generation, "an item is newer than the head")
        term = digest_term(digest_key(keyring[epoch]), id, version, meta)
        digest = bytes(a ^ b for a, b in zip(digest, term))
        meta, _ = open_part(keyring, wallet_id, id, aad_meta(wallet_id, id, version), meta)
        need(meta[7] == sha256(data), "data is not what meta says")
        data, _ = open_part(keyring, wallet_id, id, aad_data(wallet_id, id), data)
        sizes, values = fields(meta, lambda f: f[0]), fields(data, len)
        need(sizes == values, "sizes are not what meta says")
        need(8 not in meta or "trash" in head[6], "removed, and the head does not say so")
        domain = (removed if 8 in meta else secrets).setdefault(meta[4], {})
        name = meta[5] if meta[5] not in domain else f"{meta[5]}.duplicate-{id}"
        domain[name] = fields(data, shown)
        if 8 in data:
            domain[name]["history"] = fields(data[8], lambda past: [earlier(*p) for p in past])
        if 8 in meta:
            domain[name]["removed"] = meta[8]
    need(sealed[1] == digest and sealed[2] == len(items), "items dropped, swapped or added")
    return secrets, removed


def fields(record, f):
    """uid, pwd and the info keys of meta or data, those that are there, with f of each."""
    credentials = {name: f(record[key]) for name, key in [("uid", 1), ("pwd", 2)] if key in record}
    return credentials | {"info": {name: f(value) for name, value in record.get(3, {}).items()}}


def earlier(until, modified, value):
    return [until, modified, shown(value)]


def shown(value):
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"hex": value.hex()}


# ---- the test vectors ---------------------------------------------------------------------------


def seal(master, epoch, nonce, wallet_id, id, aad, plain):
    key = item_key(master, wallet_id, id)
    return b"\1" + u32(epoch) + nonce + AESGCM(key).encrypt(nonce, padded(plain), aad)


def sealed_meta(wallet_id, id, version, **rest):
    return seal(wallet_id=wallet_id, id=id, aad=aad_meta(wallet_id, id, version), **rest)


def sealed_data(wallet_id, id, **rest):
    return seal(wallet_id=wallet_id, id=id, aad=aad_data(wallet_id, id), **rest)


def sealed_head(wallet_id, generation, meta, digest, count, created, committed, **rest):
    plain = cbor({1: digest, 2: count, 3: created, 4: committed})
    aad = aad_head(wallet_id, generation, meta)
    return seal(wallet_id=wallet_id, id="head", aad=aad, plain=plain, **rest)


def present(uid=None, pwd=None, info=None):
    return {key: f for key, f in [(1, uid), (2, pwd), (3, info)] if f is not None}


def record_data(history=None, more={}, **fields):
    past = {} if history is None else {8: present(**history)}
    return cbor(present(**fields) | past | more)


def record_meta(domain, access, created, data_hash, removed=None, **fields):
    gone = {} if removed is None else {8: removed}
    names = {4: domain, 5: access, 6: created, 7: data_hash}
    return record_data(more=names | gone, **fields)


def slot(memorable, device_key, salt, kdf, nonce, epochs, wallet_id):
    public = cbor({1: 1, 2: salt, 3: kdf})
    kek, proof = slot_keys(argon2id(memorable, salt, kdf, device_key))
    keyring = cbor({1: {int(epoch): master for epoch, master in epochs.items()}})
    wrapped = AESGCM(kek).encrypt(nonce, keyring, aad_keyring(wallet_id, public))
    return {1: public, 2: nonce, 3: wrapped, 4: proof}


def head_meta(wallet_id, device_salt, kdf, slots, features=[]):
    slots = [slot(wallet_id=wallet_id, **s) for s in slots]
    return cbor({1: 1, 2: wallet_id, 3: device_salt, 4: kdf, 5: slots, 6: features})


VECTORS = {
    "device_key": argon2id,
    "stretched": lambda memorable, salt, kdf, device_key: argon2id(
        memorable, salt, kdf, device_key
    ),
    "kek": lambda stretched: slot_keys(stretched)[0],
    "proof": lambda stretched: slot_keys(stretched)[1],
    "recovered": recovered,
    "item_key": item_key,
    "digest_key": digest_key,
    "digest_term": digest_term,
    "padded_size": lambda length: len(padded(bytes(length))),
    "record_meta": record_meta,
    "record_data": record_data,
    "sealed_meta": sealed_meta,
    "sealed_data": sealed_data,
    "sealed_head": sealed_head,
    "head_meta": head_meta,
}


def parsed(value, name=""):
    """A value of the JSON. A string is hex, or text under the names that say so."""
    match value:
        case str() if name in ("id", "domain", "access", "features"):
            return value
        case str() if name in ("password", "memorable"):
            return value.encode()
        case str():
            return bytes.fromhex(value)
        case list():
            return [parsed(v, name) for v in value]
        case dict():
            return {k: parsed(v, k) for k, v in value.items()}
    return value


def check_vectors(file):
    vectors = json.loads(pathlib.Path(file).read_text())["vectors"]
    for number, vector in enumerate(vectors):
        given = VECTORS[vector["of"]](**parsed(vector["from"]))
        need(given == parsed(vector["gives"]), f"vector {number} ({vector['of']}) differs")
    need({v["of"] for v in vectors} == set(VECTORS), "a kind of vector is missing")


if __name__ == "__main__":
    which = 1 if sys.argv[1:2] == ["--removed"] else 0
    match sys.argv[1 + which :]:
        case ["--vectors", file]:
            check_vectors(file)
        case [_] | [_, _] as place:
            read = backup_items if len(place) == 1 else stored_items
            passwords = [sys.stdin.buffer.readline().removesuffix(b"\n") for _ in range(2)]
            try:
                print(json.dumps(open_wallet(read(*place), *passwords)[which], indent=2))
            except InvalidTag:
                sys.exit("refused: not authentic")
        case _:
            sys.exit(__doc__)
