// An HTTPS server and client of Go's standard library that count the plaintext they move.
//
// go-peer server PORT_FILE COUNTS ANSWERS PEM
// go-peer client PORT COUNTS GATE CONNECTIONS METHOD PATH [BODY [REPEAT]]
//
// The server answers /NAME with the JSON of ANSWERS/NAME if that file is there, else with a short
// JSON, and writes its counts on SIGTERM. The client waits for the file GATE ("-": it does not wait),
// then makes CONNECTIONS connections at once and sends REPEAT requests on each (0: until SIGTERM). In
// BODY and PATH, @MARK@ becomes the local port of the connection, so that an observer can be tested
// for naming the right one.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var sent, received int64

// counted is a TLS connection that adds up what its Read and Write say they moved.
type counted struct{ *tls.Conn }

func (c counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	atomic.AddInt64(&received, int64(n))
	return n, err
}

func (c counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	atomic.AddInt64(&sent, int64(n))
	return n, err
}

type listener struct {
	net.Listener
	config *tls.Config
}

func (l listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return counted{tls.Server(conn, l.config)}, nil
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "go-peer:", err)
		os.Exit(1)
	}
}

// writeWhole lets whoever waits for the file find it complete.
func writeWhole(path string, text []byte) {
	check(os.WriteFile(path+".new", text, 0o644))
	check(os.Rename(path+".new", path))
}

func writeCounts(path string) {
	text, err := json.Marshal(map[string]int64{
		"sent": atomic.LoadInt64(&sent), "received": atomic.LoadInt64(&received),
	})
	check(err)
	writeWhole(path, text)
}

func server(portFile, counts, answers, pem string) {
	certificate, err := tls.LoadX509KeyPair(pem, pem)
	check(err)
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		answer, err := os.ReadFile(filepath.Join(answers, filepath.Base(r.URL.Path)))
		if err != nil {
			answer = []byte(`{"status":"accepted"}`)
		}
		_, _ = w.Write(answer)
	})
	serving := &http.Server{Handler: handler}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	go func() {
		<-ended
		limit, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = serving.Shutdown(limit)
		writeCounts(counts)
		os.Exit(0)
	}()
	_, port, err := net.SplitHostPort(plain.Addr().String())
	check(err)
	writeWhole(portFile, []byte(port))
	_ = serving.Serve(listener{plain, config})
	select {}
}

type request struct {
	method, path string
	body         []byte
	repeat       int
	stop         *int32
}

// exchange sends the requests on one connection of its own.
func exchange(port string, r request) error {
	var local string
	transport := &http.Transport{DialTLS: func(network, _ string) (net.Conn, error) {
		plain, err := net.Dial(network, "127.0.0.1:"+port)
		if err != nil {
			return nil, err
		}
		_, local, _ = net.SplitHostPort(plain.LocalAddr().String())
		conn := tls.Client(plain, &tls.Config{ServerName: "localhost", InsecureSkipVerify: true})
		return counted{conn}, conn.Handshake()
	}}
	defer transport.CloseIdleConnections()
	// The connection is there, and its port known, before the first marked request.
	client := http.Client{Transport: transport}
	for n := -1; (r.repeat == 0 || n < r.repeat) && atomic.LoadInt32(r.stop) == 0; n++ {
		method, path, body := r.method, r.path, r.body
		if n < 0 {
			method, path, body = "GET", "/hello", nil
		}
		mark := func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("@MARK@"), []byte(local)) }
		url := "https://localhost:" + port + string(mark([]byte(path)))
		message, err := http.NewRequest(method, url, bytes.NewReader(mark(body)))
		if err != nil {
			return err
		}
		if len(body) > 0 {
			message.Header.Set("Content-Type", "application/json")
		}
		answer, err := client.Do(message)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if err != nil {
			return err
		}
		// Some servers have nothing at /hello.
		if n >= 0 && answer.StatusCode != http.StatusOK {
			return fmt.Errorf("the answer was %s", answer.Status)
		}
	}
	return nil
}

func client(arguments []string) {
	port, counts, gate := arguments[0], arguments[1], arguments[2]
	connections, err := strconv.Atoi(arguments[3])
	check(err)
	r := request{method: arguments[4], path: arguments[5], repeat: 1, stop: new(int32)}
	if len(arguments) > 6 {
		r.body, err = os.ReadFile(arguments[6])
		check(err)
	}
	if len(arguments) > 7 {
		r.repeat, err = strconv.Atoi(arguments[7])
		check(err)
	}
	for deadline := time.Now().Add(100 * time.Second); gate != "-"; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(gate); err == nil {
			break
		}
		if time.Now().After(deadline) {
			check(fmt.Errorf("%s was not made in time", gate))
		}
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	go func() {
		<-ended
		atomic.StoreInt32(r.stop, 1)
	}()
	if r.repeat == 0 {
		go func() {
			for ; ; time.Sleep(20 * time.Millisecond) {
				writeCounts(counts)
			}
		}()
	}
	var group sync.WaitGroup
	failures := make(chan error, connections)
	for n := 0; n < connections; n++ {
		group.Add(1)
		go func() {
			defer group.Done()
			failures <- exchange(port, r)
		}()
	}
	group.Wait()
	for n := 0; n < connections; n++ {
		check(<-failures)
	}
	if r.repeat != 0 {
		writeCounts(counts)
	}
}

func main() {
	if len(os.Args) >= 6 && os.Args[1] == "server" {
		server(os.Args[2], os.Args[3], os.Args[4], os.Args[5])
	}
	if len(os.Args) >= 8 && os.Args[1] == "client" {
		client(os.Args[2:])
		return
	}
	fmt.Fprintln(os.Stderr, "see the head of main.go")
	os.Exit(2)
}
