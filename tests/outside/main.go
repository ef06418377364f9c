// Outside verifiers for a Lineproof log: programs written by others read it, prove things about it, and write what ours must accept.
//
//	outside read -url URL -vkey VKEY -checkpoints DIR [-all N]   check a log served over HTTP
//	outside fsck -dir DIR -vkey VKEY                             check a folder of tlog-tiles
//	outside write -dir DIR -sizes 0,1,256                        write a log of its own: tiles, checkpoints, proofs
//	outside answer                                               prove and verify what is asked for on standard input, a line of JSON each
//	outside witness -name NAME -log VKEY                         cosign the checkpoints of a log (C2SP tlog-witness)
//	outside bundle -file BUNDLE -trust FILE                      verify an evidence bundle, or with -many those on standard input
//
// The tree is golang.org/x/mod/sumdb/tlog and github.com/transparency-dev/merkle, notes are golang.org/x/mod/sumdb/note, and the client
// and fsck of tlog-tiles are Tessera's. Nothing here was taken from Lineproof; what a bundle, a leaf and a key entry say is read by rules
// written a second time, from its documents.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	commands := map[string]func([]string) (any, error){"read": read, "fsck": check, "write": write, "answer": answer, "bundle": bundle, "witness": witness}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: outside read|fsck|write|answer|bundle|witness …")
		os.Exit(2)
	}
	result, err := commands[os.Args[1]](os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "outside:", err)
		os.Exit(1)
	}
	if result != nil {
		_ = json.NewEncoder(os.Stdout).Encode(result)
	}
}
