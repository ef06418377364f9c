package main

import (
	"bufio"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"

	cosign "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// seen is what the witness cosigned last of a log.
type seen struct {
	size int64
	root tlog.Hash
}

// keeper is a witness by C2SP tlog-witness: one lock around check and memory, as the specification asks for.
type keeper struct {
	mutex  sync.Mutex
	logs   map[string]note.Verifier
	signer note.Signer
	memory map[string]seen
}

// witness serves add-checkpoint for the logs of -log until its standard input is closed. It prints {url, vkey} first. A line `forget` on its
// input makes it lose its memory, as one whose database was lost.
func witness(arguments []string) (any, error) {
	kept := &keeper{logs: map[string]note.Verifier{}, memory: map[string]seen{}}
	flags := flag.NewFlagSet("witness", flag.ExitOnError)
	name := flags.String("name", "", "of its key")
	seed := flags.String("seed", "", "32 bytes of its key in hex; made if left out")
	listen := flags.String("listen", "127.0.0.1:0", "where")
	flags.Func("log", "verifier key of a log that it cosigns", func(text string) error {
		verifier, err := note.NewVerifier(text)
		if err == nil {
			kept.logs[verifier.Name()] = verifier
		}
		return err
	})
	_ = flags.Parse(arguments)

	secret := make([]byte, ed25519.SeedSize)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	if *seed != "" {
		given, err := hex.DecodeString(*seed)
		if err != nil || len(given) != ed25519.SeedSize {
			return nil, errors.New("a seed is 32 bytes in hex")
		}
		secret = given
	}
	plain, err := note.NewEd25519VerifierKey(*name, ed25519.NewKeyFromSeed(secret).Public().(ed25519.PublicKey))
	if err != nil {
		return nil, err
	}
	private := "PRIVATE+KEY+" + *name + "+" + strings.Split(plain, "+")[1] + "+" + base64.StdEncoding.EncodeToString(append([]byte{1}, secret...))
	if kept.signer, err = cosign.NewSignerForCosignatureV1(private); err != nil {
		return nil, err
	}
	vkey, err := cosign.VKeyToCosignatureV1(plain)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return nil, err
	}
	routes := http.NewServeMux()
	routes.HandleFunc("POST /add-checkpoint", kept.addCheckpoint)
	go func() { _ = http.Serve(listener, routes) }()
	_ = json.NewEncoder(os.Stdout).Encode(map[string]string{"url": "http://" + listener.Addr().String(), "vkey": vkey})
	orders := bufio.NewScanner(os.Stdin)
	for orders.Scan() {
		if orders.Text() == "forget" {
			kept.mutex.Lock()
			kept.memory = map[string]seen{}
			kept.mutex.Unlock()
			fmt.Println("forgotten")
		}
	}
	return nil, nil
}

func (kept *keeper) addCheckpoint(answer http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(answer, request.Body, 1<<20))
	if err != nil {
		http.Error(answer, err.Error(), http.StatusBadRequest)
		return
	}
	status, text := kept.update(string(body))
	if status == http.StatusConflict {
		answer.Header().Set("Content-Type", "text/x.tlog.size")
	}
	answer.WriteHeader(status)
	_, _ = io.WriteString(answer, text)
}

func (kept *keeper) update(body string) (int, string) {
	head, signed, found := strings.Cut(body, "\n\n")
	lines := strings.Split(head, "\n")
	old, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "old "), 10, 64)
	if !found || err != nil || !strings.HasPrefix(lines[0], "old ") || len(lines) > 64 {
		return http.StatusBadRequest, "malformed\n"
	}
	var proof tlog.TreeProof
	for _, line := range lines[1:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return http.StatusBadRequest, "malformed proof\n"
		}
		proof = append(proof, hash)
	}
	origin, _, _ := strings.Cut(signed, "\n")
	verifier, known := kept.logs[origin]
	if !known {
		return http.StatusNotFound, "unknown log\n"
	}
	opened, err := note.Open([]byte(signed), note.VerifierList(verifier))
	if err != nil {
		return http.StatusForbidden, "no signature of that log\n"
	}
	fields := strings.Split(opened.Text, "\n")
	if len(fields) < 4 || fields[0] != origin {
		return http.StatusBadRequest, "no checkpoint\n"
	}
	size, err := strconv.ParseInt(fields[1], 10, 64)
	root, wrong := tlog.ParseHash(fields[2])
	if err != nil || wrong != nil || old > size {
		return http.StatusBadRequest, "no checkpoint of that size\n"
	}

	kept.mutex.Lock()
	defer kept.mutex.Unlock()
	last := kept.memory[origin]
	switch {
	case old != last.size:
		return http.StatusConflict, fmt.Sprintf("%d\n", last.size)
	case old == 0 && len(proof) > 0, old > 0 && old == size && (root != last.root || len(proof) > 0):
		return http.StatusUnprocessableEntity, "not the tree that was seen\n"
	case old > 0 && old < size && tlog.CheckTree(proof, size, root, old, last.root) != nil:
		return http.StatusUnprocessableEntity, "not an extension of the tree that was seen\n"
	}
	cosigned, err := note.Sign(&note.Note{Text: opened.Text}, kept.signer)
	if err != nil {
		return http.StatusInternalServerError, err.Error()
	}
	kept.memory[origin] = seen{size, root}
	return http.StatusOK, string(cosigned[len(opened.Text)+1:])
}
