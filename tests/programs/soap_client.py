"""A SOAP client (zeep) for the service of users.wsdl, that makes the calls of a script.

soap_client.py client PORT GATE SCRIPT WSDL
"""
import json
import os
import sys
import time

import zeep

_, port, gate, script, wsdl = sys.argv[1:]
with open(script) as file:
    calls = json.load(file)
service = zeep.Client(wsdl).create_service("{urn:users}UsersBinding", f"http://127.0.0.1:{port}/v1/soap")
while not os.path.exists(gate):
    time.sleep(0.005)
for call in calls:
    answer = service[call["method"]](**call["request"])
    for name, value in call["response"].items():
        if answer[name] != value:
            sys.exit(f"{call['method']} was answered with something else")
print("done", flush=True)
