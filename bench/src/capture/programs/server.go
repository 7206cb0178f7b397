// Answers with the files `1k` and `64k` of a folder, over TLS.
package main

import (
	"net/http"
	"os"
	"strconv"
)

func main() {
	folder, port := os.Args[1], os.Args[2]
	for _, name := range []string{"1k", "64k"} {
		body, err := os.ReadFile(folder + "/" + name)
		if err != nil {
			panic(err)
		}
		http.HandleFunc("/"+name, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("content-type", "application/json")
			w.Header().Set("content-length", strconv.Itoa(len(body)))
			w.Write(body)
		})
	}
	server := &http.Server{Addr: "127.0.0.1:" + port, TLSNextProto: nil}
	panic(server.ListenAndServeTLS(folder+"/cert.pem", folder+"/key.pem"))
}
