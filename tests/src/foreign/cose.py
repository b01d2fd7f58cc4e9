"""Verifies COSE_Sign1 files with two stock libraries, pycose and cwt, and nothing of ours.

Usage: cose.py LIST, where LIST is JSON: [{"name", "file", "aad", "kid", "kind"}].
Each file must verify with its kid as raw Ed25519 key and its external data; and must not once the
payload, the signature or the external data differs by a bit. Prints one JSON object with counts.
A case file is opened with cbor2: [version, order, [statement...]]; see "case" in the list.
"""

import json
import sys

import cbor2
import cwt
from cwt import COSE, COSEKey
from pycose.algorithms import EdDSA
from pycose.headers import KID, Algorithm, ContentType
from pycose.keys import OKPKey
from pycose.keys.curves import Ed25519
from pycose.messages import Sign1Message


def pycose_holds(data, aad, kid):
    message = Sign1Message.from_cose_obj(cbor2.loads(data), True)
    if message.phdr[Algorithm] is not EdDSA or message.phdr[KID] != kid:
        return False
    message.external_aad = aad
    message.key = OKPKey(crv=Ed25519, x=message.phdr[KID])
    return message.verify_signature()


def cwt_holds(data, aad, kid):
    key = COSEKey.new({1: 1, 3: -8, -1: 6, -2: kid, 2: kid, 4: [2]})
    try:
        COSE.new().decode(cbor2.CBORTag(18, cbor2.loads(data)), key, external_aad=aad)
        return True
    except cwt.VerifyError:
        return False


def bent(data, part):
    """The envelope with one bit of its payload (2) or signature (3) changed."""
    parts = cbor2.loads(data)
    whole = bytearray(parts[part])
    whole[len(whole) // 2] ^= 1
    parts[part] = bytes(whole)
    return cbor2.dumps(parts)


def check(name, kind, data, aad, kid):
    """How many forged forms were refused; anything else ends the run."""
    message = Sign1Message.from_cose_obj(cbor2.loads(data), True)
    media = f"application/vnd.belay.{kind}+cbor"
    if message.phdr[ContentType] != media:
        raise SystemExit(f"{name}: content type {message.phdr[ContentType]}, not {media}")
    refused = 0
    for eye in (pycose_holds, cwt_holds):
        if not eye(data, aad, kid):
            raise SystemExit(f"{name}: {eye.__name__} says that the signature does not hold")
        other = bytes([aad[0] ^ 1]) + aad[1:] if aad else b"x"
        forged = [(bent(data, 2), aad), (bent(data, 3), aad), (data, other)]
        for forged_data, forged_aad in forged:
            if eye(forged_data, forged_aad, kid):
                raise SystemExit(f"{name}: {eye.__name__} takes a forgery")
            refused += 1
    return refused


def kind_of(data):
    media = Sign1Message.from_cose_obj(cbor2.loads(data), True).phdr[ContentType]
    return media.removeprefix("application/vnd.belay.").removesuffix("+cbor")


def main():
    with open(sys.argv[1]) as listed:
        listed = json.load(listed)
    verified, refused, kinds, in_cases = 0, 0, set(), 0
    for one in listed["statements"]:
        with open(one["file"], "rb") as file:
            data = file.read()
        aad, kid = bytes.fromhex(one["aad"]), bytes.fromhex(one["kid"])
        refused += check(one["name"], one["kind"], data, aad, kid)
        verified += 1
        kinds.add(one["kind"])
    for case in listed["cases"]:
        with open(case["file"], "rb") as file:
            version, order, statements = cbor2.load(file)
        if version != 1 or order.hex() != case["order"]:
            raise SystemExit(f"{case['file']}: version {version}, order {order.hex()}")
        fleet = bytes.fromhex(case["fleet"])
        for number, data in enumerate(statements, 1):
            kind = kind_of(data)
            body = cbor2.loads(cbor2.loads(data)[2])[11]
            # Root epoch 1 founds the fleet: its id is the fleet's, so nothing stands outside it.
            aad = b"" if kind == "root" and body[2] == 1 else fleet
            kid = Sign1Message.from_cose_obj(cbor2.loads(data), True).phdr[KID]
            refused += check(f"{case['file']} statement {number}", kind, data, aad, kid)
            in_cases += 1
            kinds.add(kind)
    print(json.dumps({
        "verified": verified,
        "in_cases": in_cases,
        "forgeries_refused": refused,
        "kinds": sorted(kinds),
    }))


main()
