"""A client of psycopg2: runs statements and prints the first column of what they give.

psycopg2_client.py PACKAGES GATE TARGET STATEMENT...

PACKAGES is the folder of the package, TARGET a connection string. Says "ready" once its library is mapped, and waits for
the file GATE.
"""
import os
import sys
import time

sys.path.insert(0, sys.argv[1])
import psycopg2  # noqa: E402

print("ready", flush=True)
while not os.path.exists(sys.argv[2]):
    time.sleep(0.005)
connection = psycopg2.connect(sys.argv[3])
connection.autocommit = True
cursor = connection.cursor()
for statement in sys.argv[4:]:
    cursor.execute(statement)
    for row in cursor.fetchall() if cursor.description else []:
        print(row[0])
connection.close()
