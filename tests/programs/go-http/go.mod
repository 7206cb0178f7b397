module auditor.test/go-http

go 1.24
