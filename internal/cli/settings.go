package cli

import (
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/callyard/callyard/internal/config"
)

// settings are the flags that say how a node is to run. They win over the
// environment, which wins over the file.
type settings struct {
	file      string
	node      string
	data      string
	database  string
	sip       []string
	advertise string
	http      string
	ops       string
	region    string
	level     string
	format    string
}

func (s *settings) flags(f *pflag.FlagSet) {
	f.StringVarP(&s.file, "config", "c", "", "configuration `file` (YAML)")
	f.StringVar(&s.node, "node", "", "`name` of this process among those that share a database")
	f.StringVar(&s.data, "data-dir", "", "`folder` for the embedded database and recordings")
	f.StringVar(&s.database, "database-url", "", "`address` of a Postgres to use instead of the embedded one (also DATABASE_URL)")
	f.StringSliceVar(&s.sip, "sip-listen", nil, "`where` SIP listens: udp:ip:port, tcp:ip:port, tls:ip:port, or ip:port for the first two")
	f.StringVar(&s.advertise, "sip-advertise", "", "`host` that phones and trunks reach us at, if it is not where we listen")
	f.StringVar(&s.http, "http-listen", "", "`ip:port` of the REST API")
	f.StringVar(&s.ops, "ops-listen", "", "`ip:port` of /livez, /readyz and /metrics; off switches them off")
	f.StringVar(&s.region, "region", "", "`country` of numbers without a prefix: US, ES")
	f.StringVar(&s.level, "log-level", "", "how much is logged: debug, info, warn, error")
	f.StringVar(&s.format, "log-format", "", "text, json")
}

// load is the configuration with the flags that were given on top.
func (s *settings) load(cmd *cobra.Command, base config.Config) (config.Config, error) {
	cfg, err := config.Load(s.file, base)
	if err != nil {
		return cfg, err
	}
	for flag, set := range map[string]struct {
		to   *string
		from string
	}{
		"node": {&cfg.Node, s.node}, "data-dir": {&cfg.DataDir, s.data}, "database-url": {&cfg.Database, s.database},
		"sip-advertise": {&cfg.SIP.Advertise, s.advertise}, "http-listen": {&cfg.HTTP.Listen, s.http}, "ops-listen": {&cfg.HTTP.Ops, s.ops},
		"region": {&cfg.Region, s.region}, "log-level": {&cfg.Log.Level, s.level}, "log-format": {&cfg.Log.Format, s.format},
	} {
		if cmd.Flags().Changed(flag) {
			*set.to = set.from
		}
	}
	if cfg.HTTP.Ops == "off" {
		cfg.HTTP.Ops = ""
	}
	if len(s.sip) > 0 {
		cfg.SIP.Listen = nil
		for _, l := range s.sip {
			cfg.SIP.Listen = append(cfg.SIP.Listen, listens(l)...)
		}
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Log.Level)); err != nil {
		return cfg, fmt.Errorf("log.level: %q is not debug, info, warn or error", cfg.Log.Level)
	}
	if cfg.Log.Format != "text" && cfg.Log.Format != "json" {
		return cfg, fmt.Errorf("log.format: %q is not text or json", cfg.Log.Format)
	}
	return cfg, cfg.Validate()
}

// listens reads --sip-listen, in which the transport may be left out.
func listens(s string) []string {
	if strings.HasPrefix(s, "udp:") || strings.HasPrefix(s, "tcp:") || strings.HasPrefix(s, "tls:") {
		return []string{s}
	}
	return []string{"udp:" + s, "tcp:" + s}
}

// clusterDir is where a node without a database of its own keeps the embedded one.
func clusterDir(cfg config.Config) string { return filepath.Join(cfg.DataDir, "postgres") }

// logger writes to w as the configuration says.
func logger(w io.Writer, l config.Log) *slog.Logger {
	var level slog.Level
	if level.UnmarshalText([]byte(l.Level)) != nil {
		level = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
