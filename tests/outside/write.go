package main

import (
	"crypto/rand"
	"encoding/base64"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const origin = "go.example/outside"

// write makes a log of `entry <n>` and leaves at each size: checkpoints/<size>, proofs/<index>-<size> (tlog-proof@v1), consistency/<old>-<size>
// (base64 lines), and the tiles and entry bundles of the last size. It prints the verifier key.
func write(arguments []string) (any, error) {
	flags := flag.NewFlagSet("write", flag.ExitOnError)
	dir := flags.String("dir", "", "where to")
	list := flags.String("sizes", "", "the sizes to sign at, rising")
	_ = flags.Parse(arguments)

	secret, vkey, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		return nil, err
	}
	var stored []tlog.Hash
	var entries [][]byte
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(indexes))
		for at, index := range indexes {
			found[at] = stored[index]
		}
		return found, nil
	})
	var sizes []int64
	for _, text := range strings.Split(*list, ",") {
		size, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, err
		}
		for n := int64(len(entries)); n < size; n++ {
			entry := []byte(fmt.Sprintf("entry %d", n))
			more, err := tlog.StoredHashes(n, entry, reader)
			if err != nil {
				return nil, err
			}
			stored, entries = append(stored, more...), append(entries, entry)
		}
		root, err := tlog.TreeHash(size, reader)
		if err != nil {
			return nil, err
		}
		text := fmt.Sprintf("%s\n%d\n%s\n", origin, size, base64.StdEncoding.EncodeToString(root[:]))
		signed, err := note.Sign(&note.Note{Text: text}, signer)
		if err != nil {
			return nil, err
		}
		if err := save(*dir, fmt.Sprintf("checkpoints/%d", size), signed); err != nil {
			return nil, err
		}
		for _, index := range []int64{0, size / 2, size - 1} {
			if index < 0 || index >= size {
				continue
			}
			made, err := tlog.ProveRecord(size, index, reader)
			if err != nil {
				return nil, err
			}
			proof := fmt.Sprintf("c2sp.org/tlog-proof@v1\nindex %d\n%s\n%s", index, lines(made), signed)
			if err := save(*dir, fmt.Sprintf("proofs/%d-%d", index, size), []byte(proof)); err != nil {
				return nil, err
			}
		}
		for _, old := range sizes {
			if old == 0 {
				continue
			}
			made, err := tlog.ProveTree(size, old, reader)
			if err != nil {
				return nil, err
			}
			if err := save(*dir, fmt.Sprintf("consistency/%d-%d", old, size), []byte(lines(made))); err != nil {
				return nil, err
			}
		}
		sizes = append(sizes, size)
		if err := save(*dir, "log/checkpoint", signed); err != nil {
			return nil, err
		}
	}
	for _, tile := range tlog.NewTiles(8, 0, int64(len(entries))) {
		data, err := tlog.ReadTileData(tile, reader)
		if err != nil {
			return nil, err
		}
		if err := save(*dir, "log/"+strings.Replace(tile.Path(), "tile/8/", "tile/", 1), data); err != nil {
			return nil, err
		}
		if tile.L == 0 {
			var bundle []byte
			for _, entry := range entries[tile.N*256 : tile.N*256+int64(tile.W)] {
				bundle = append(append(bundle, byte(len(entry)>>8), byte(len(entry))), entry...)
			}
			if err := save(*dir, "log/"+strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1), bundle); err != nil {
				return nil, err
			}
		}
	}
	return map[string]any{"vkey": vkey, "origin": origin}, nil
}

func lines(hashes []tlog.Hash) string {
	text := ""
	for _, hash := range hashes {
		text += base64.StdEncoding.EncodeToString(hash[:]) + "\n"
	}
	return text
}

func save(dir, name string, data []byte) error {
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}
