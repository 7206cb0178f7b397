"""The demo's customers: client.py PORT CERTIFICATE READY_FILE PROTECTED_FILE

Waits until READY_FILE exists, then sends orders through Python's TLS and through curl. All values are made up at run
time. Those that are no leak (masked, published for testing, tokenised) are written to PROTECTED_FILE, one JSON object
a line, so that the demo can show why.
"""
import http.client
import json
import os
import random
import ssl
import string
import subprocess
import sys
import time

PORT, CERTIFICATE, READY, PROTECTED = int(sys.argv[1]), *sys.argv[2:5]
RANDOM = random.SystemRandom()
# Within the issuer ranges of Mastercard, and none of the numbers published for testing begins so.
ISSUERS = ["544791", "531462", "526219"]
TEST_CARD = "4111111111111111"


def digits(count):
    return "".join(RANDOM.choices(string.digits, k=count))


def letters(count):
    return "".join(RANDOM.choices(string.ascii_lowercase, k=count))


def card():
    """Sixteen digits that pass the Luhn check."""
    body = RANDOM.choice(ISSUERS) + digits(9)
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in body[::2])
    return body + str(-(doubled + sum(map(int, body[1::2]))) % 10)


def iban():
    """A German account number with its two check digits."""
    account = digits(18)
    return f"DE{98 - int(account + '131400') % 97:02}{account}"


def wait_for(path, seconds):
    deadline = time.monotonic() + seconds
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            sys.exit(f"client.py: auditor was not ready within {seconds} s")
        time.sleep(0.02)


def protected(key, value):
    with open(PROTECTED, "a") as file:
        file.write(json.dumps({"key": key, "value": value}) + "\n")
    return value


def python_orders(context):
    connection = http.client.HTTPSConnection("localhost", PORT, context=context, timeout=20)
    masked = card()
    orders = [
        {"order": 1, "customer": {"card": {"number": card(), "expiry": "11/29"}}},
        {"order": 2, "card_number": protected("card_number", masked[:6] + "******" + masked[-4:])},
        {"order": 3, "card_number": protected("card_number", TEST_CARD)},
        {"order": 4, "contact": {"email": f"{letters(5)}.{letters(8)}@{letters(9)}.net"}},
    ]
    for order in orders:
        connection.request("POST", "/v1/orders", json.dumps(order), {"Content-Type": "application/json"})
        connection.getresponse().read()
    connection.request("GET", "/v1/customers/17")
    connection.getresponse().read()
    connection.close()


def curl_orders():
    orders = [
        {"order": 5, "refund": {"iban": iban()}},
        {"order": 6, "card_masked": card()},
        {"order": 7, "card_number": protected("card_number", "tok_" + letters(12) + digits(12))},
    ]
    for order in orders:
        subprocess.run(
            ["curl", "--silent", "--show-error", "--fail", "--output", os.devnull, "--max-time", "20",
             "--cacert", CERTIFICATE, "--json", "@-", f"https://localhost:{PORT}/v1/orders"],
            input=json.dumps(order).encode(), check=True,
        )


# The context is made before the wait, so that the TLS library is mapped when auditor looks.
tls = ssl.create_default_context(cafile=CERTIFICATE)
wait_for(READY, 120)
python_orders(tls)
curl_orders()
