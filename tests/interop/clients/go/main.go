// franz-go and sarama: `produce`, `consume`, `admin` and `group` of ../README.md;
// franz-go: `journal`, `write-lines`, `read-lines`. `redpanda-console BOOTSTRAP`: the pages of console.go. `kadm BOOTSTRAP`: the calls of kadm.go.
//
//	go-client franz-go produce 127.0.0.1:9092 topic none,gzip 100
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// library is what the program can do with one client library.
type library struct {
	produce func(bootstrap, topic, codec string, count int) error
	consume func(bootstrap, topic string, count int) error
	admin   func(bootstrap, topic string) error
	group   func(m member) error
}

var libraries = map[string]library{
	"franz-go": {franzProduce, franzConsume, franzAdmin, franzGroup},
	"sarama":   {saramaProduce, saramaConsume, saramaAdmin, saramaGroup},
}

// callPause: Kafka shows a change a moment after it has acknowledged it.
var callPause = func() time.Duration {
	millis, _ := strconv.Atoi(os.Getenv("PAUSE_MS"))
	return time.Duration(millis) * time.Millisecond
}()

var out = bufio.NewWriter(os.Stdout)

// record i of a library and a codec; nil is null.
func record(name, codec string, i int) (key, value []byte) {
	if i%7 != 3 {
		key = fmt.Appendf(nil, "%s-%s-%d", name, codec, i)
	}
	if i%11 != 5 || key == nil {
		value = []byte(strconv.Itoa(i) + " " + strings.Repeat("Grüße 你好 🚀 ", i%50))
	}
	return key, value
}

func show(offset int64, key, value []byte, headers []string) {
	text := func(data []byte) string {
		if data == nil {
			return "NULL"
		}
		return string(data)
	}
	fmt.Fprintf(out, "%d\t%s\t%s\t%s\n", offset, text(key), text(value), strings.Join(headers, ","))
}

func run(args []string) error {
	switch args[0] {
	case "redpanda-console":
		return runConsole(args[1])
	case "kadm":
		return runKadm(args[1])
	}
	chosen, known := libraries[args[0]]
	if !known {
		return fmt.Errorf("unknown library %q", args[0])
	}
	bootstrap, topic := args[2], args[3]
	switch args[1] {
	case "produce":
		count, err := strconv.Atoi(args[5])
		if err != nil {
			return err
		}
		for _, codec := range strings.Split(args[4], ",") {
			if err := chosen.produce(bootstrap, topic, codec, count); err != nil {
				return fmt.Errorf("%s: %w", codec, err)
			}
		}
		return nil
	case "consume":
		count, err := strconv.Atoi(args[4])
		if err != nil {
			return err
		}
		return chosen.consume(bootstrap, topic, count)
	case "admin":
		return chosen.admin(bootstrap, topic)
	case "group":
		return chosen.group(newMember(args[2:]))
	case "write-lines":
		return franzWriteLines(bootstrap, topic)
	case "read-lines":
		return franzReadLines(bootstrap, topic)
	case "journal":
		journal, err := newJournal(args[2:])
		if err != nil {
			return err
		}
		return journal.run()
	}
	return fmt.Errorf("unknown command %q", args[1])
}

func main() {
	err := run(os.Args[1:])
	out.Flush()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
