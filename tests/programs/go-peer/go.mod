module auditor.test/go-peer

go 1.17
