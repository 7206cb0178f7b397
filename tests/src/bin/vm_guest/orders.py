"""Posts what it reads, a body in each line, over one connection with TLS, and says each answer's status: orders.py PORT"""
import http.client
import ssl
import sys

context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
connection = http.client.HTTPSConnection("127.0.0.1", int(sys.argv[1]), context=context)
for line in sys.stdin:
    connection.request("POST", "/v1/orders", line.strip(), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    print(answer.status, flush=True)
