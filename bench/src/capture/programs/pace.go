// Asks for a URL so many times a second over connections that stay open, and prints how long the answers took: a JSON
// object with the number of requests and quantiles in microseconds. A request that could not go out in time, because the
// one before had no answer yet, is counted from when it should have gone.
package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"sort"
	"strconv"
	"sync"
	"time"
)

func main() {
	url := os.Args[1]
	rate, seconds, connections := number(2), number(3), number(4)
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true},
		MaxIdleConnsPerHost: connections,
		DisableCompression:  true,
	}
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	each := rate*seconds/connections + 1
	took := make([][]time.Duration, connections)
	apart := time.Second * time.Duration(connections) / time.Duration(rate)
	var workers sync.WaitGroup
	// The handshakes are not measured.
	var ready sync.WaitGroup
	begin := make(chan time.Time)
	for n := 0; n < connections; n++ {
		workers.Add(1)
		ready.Add(1)
		go func(n int) {
			defer workers.Done()
			ask(client, url)
			ready.Done()
			next := (<-begin).Add(apart * time.Duration(n) / time.Duration(connections))
			mine := make([]time.Duration, 0, each)
			for request := 0; request < each; request++ {
				start := next
				if wait := time.Until(next); wait > 0 {
					time.Sleep(wait)
					// A timer that rings late is no fault of the server.
					start = time.Now()
				}
				ask(client, url)
				mine = append(mine, time.Since(start))
				next = next.Add(apart)
			}
			took[n] = mine
		}(n)
	}
	ready.Wait()
	start := time.Now().Add(10 * time.Millisecond)
	for n := 0; n < connections; n++ {
		begin <- start
	}
	workers.Wait()
	var all []time.Duration
	for _, mine := range took {
		all = append(all, mine...)
	}
	sort.Slice(all, func(a, b int) bool { return all[a] < all[b] })
	quantile := func(share float64) float64 {
		return float64(all[int(share*float64(len(all)))].Nanoseconds()) / 1000
	}
	out, err := json.Marshal(map[string]any{
		"requests": len(all) + connections,
		"p50_us":   quantile(0.5),
		"p90_us":   quantile(0.9),
		"p99_us":   quantile(0.99),
		"p999_us":  quantile(0.999),
	})
	check(err)
	fmt.Println(string(out))
}

func ask(client *http.Client, url string) {
	answer, err := client.Get(url)
	check(err)
	_, err = io.Copy(io.Discard, answer.Body)
	check(err)
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		check(fmt.Errorf("the answer was %s", answer.Status))
	}
}

func number(at int) int {
	value, err := strconv.Atoi(os.Args[at])
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
