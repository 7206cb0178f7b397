// An HTTP/2 server or client of Go's standard library that exchanges exactly what a script says; over TLS with PEM, else
// in the open with prior knowledge.
//
// go-http server PORT_FILE SCRIPT [PEM]
// go-http client PORT GATE SCRIPT [PEM]
//
// The client waits for the file GATE and sends all of the script at once on one connection. Whoever meets something else
// than the script says fails.
package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

type fields [][2]string

type exchange struct {
	Method, Path string
	Headers      fields
	Body         []byte
	Trailers     fields
	Answer       struct {
		Headers  fields
		Body     []byte
		Trailers fields
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "go-http:", err)
		os.Exit(1)
	}
}

func read(path string) []exchange {
	text, err := os.ReadFile(path)
	check(err)
	var script []exchange
	check(json.Unmarshal(text, &script))
	return script
}

func (f fields) set(header http.Header) {
	for _, field := range f {
		header.Set(field[0], field[1])
	}
}

func (f fields) same(what string, header http.Header) {
	for _, field := range f {
		if header.Get(field[0]) != field[1] {
			check(fmt.Errorf("%s: %s is not as scripted", what, field[0]))
		}
	}
}

// pieces hands a body out in parts, so that streams take turns.
type pieces struct{ *bytes.Reader }

func (p pieces) Read(b []byte) (int, error) { return p.Reader.Read(b[:min(len(b), 6000)]) }

func protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

func server(portFile, script, pem string) {
	exchanges := read(script)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		check(err)
		for _, e := range exchanges {
			if e.Method != r.Method || e.Path != r.URL.RequestURI() {
				continue
			}
			if !bytes.Equal(body, e.Body) {
				check(fmt.Errorf("%s has another body", e.Method))
			}
			e.Headers.same("a request", r.Header)
			e.Trailers.same("a request", r.Trailer)
			for _, trailer := range e.Answer.Trailers {
				w.Header().Add("Trailer", trailer[0])
			}
			e.Answer.Headers.set(w.Header())
			w.WriteHeader(http.StatusOK)
			for rest := e.Answer.Body; len(rest) > 0; {
				part := min(len(rest), 6000)
				_, err := w.Write(rest[:part])
				check(err)
				w.(http.Flusher).Flush()
				rest = rest[part:]
			}
			e.Answer.Trailers.set(w.Header())
			return
		}
		w.WriteHeader(http.StatusNotFound)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	go func() { <-ended; os.Exit(0) }()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	check(err)
	check(os.WriteFile(portFile+".new", []byte(port), 0o644))
	check(os.Rename(portFile+".new", portFile))
	serving := &http.Server{Handler: handler, Protocols: protocols()}
	if pem == "" {
		check(serving.Serve(listener))
	}
	check(serving.ServeTLS(listener, pem, pem))
}

func send(client *http.Client, base string, e exchange) {
	request, err := http.NewRequest(e.Method, base+e.Path, pieces{bytes.NewReader(e.Body)})
	check(err)
	request.ContentLength = int64(len(e.Body))
	if len(e.Body) == 0 {
		request.Body = nil
	}
	e.Headers.set(request.Header)
	if len(e.Trailers) > 0 {
		request.ContentLength = -1
		request.Trailer = http.Header{}
		e.Trailers.set(request.Trailer)
	}
	answer, err := client.Do(request)
	check(err)
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK || answer.ProtoMajor != 2 {
		check(fmt.Errorf("%s was answered with %s %s", e.Method, answer.Proto, answer.Status))
	}
	body, err := io.ReadAll(answer.Body)
	check(err)
	if !bytes.Equal(body, e.Answer.Body) {
		check(fmt.Errorf("an answer has another body"))
	}
	e.Answer.Headers.same("an answer", answer.Header)
	e.Answer.Trailers.same("an answer", answer.Trailer)
}

func client(port, gate, script, pem string) {
	exchanges := read(script)
	for deadline := time.Now().Add(100 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(gate); err == nil {
			break
		}
		if time.Now().After(deadline) {
			check(fmt.Errorf("%s was not made in time", gate))
		}
	}
	base := "http://localhost:" + port
	only := new(http.Protocols)
	if pem != "" {
		base = "https://localhost:" + port
		only.SetHTTP2(true)
	} else {
		only.SetUnencryptedHTTP2(true)
	}
	client := &http.Client{Transport: &http.Transport{
		Protocols:       only,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	// The first one alone: the others find its connection.
	send(client, base, exchanges[0])
	var group sync.WaitGroup
	for _, e := range exchanges[1:] {
		group.Add(1)
		go func() {
			defer group.Done()
			send(client, base, e)
		}()
	}
	group.Wait()
	client.CloseIdleConnections()
}

func main() {
	arguments := append(os.Args[1:], "", "")
	switch {
	case len(os.Args) >= 4 && arguments[0] == "server":
		server(arguments[1], arguments[2], arguments[3])
	case len(os.Args) >= 5 && arguments[0] == "client":
		client(arguments[1], arguments[2], arguments[3], arguments[4])
	default:
		fmt.Fprintln(os.Stderr, "see the head of main.go")
		os.Exit(2)
	}
}
