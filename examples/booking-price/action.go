// What a booking costs, by the rules of whoever attached the action: a price for the hour, and factors for hours of certain
// weekdays and times of day. Hours are those of the place's own time zone.
package main

import (
	"math"
	"slices"
	"time"

	"fusebox.dev/fusebox"
)

// Codes of refusals.
const (
	codeTimes = 10
	codeRules = 11
)

// stepMinutes is what a booking is cut into: each step has the price of the rule that holds when it begins.
const stepMinutes = 15

// daysMax bounds how long a booking is priced.
const daysMax = 366

// Booking is the payload.
type Booking struct {
	StartsAt time.Time `json:"starts_at"`
	EndsAt   time.Time `json:"ends_at"`
}

// Rules are the input of the attachment.
type Rules struct {
	Currency string `json:"currency"`
	// CentsPerHour is the price where no factor holds.
	CentsPerHour int64 `json:"cents_per_hour"`
	// OffsetMinutes is how far the place's clock is before UTC.
	OffsetMinutes int      `json:"offset_minutes"`
	Factors       []Factor `json:"factors"`
	// CentsMin is the least that is asked for.
	CentsMin int64 `json:"cents_min"`
}

// Factor changes the price of some hours; the first that holds counts.
type Factor struct {
	Name string `json:"name"`
	// Days are "mon" to "sun"; none means all.
	Days []string `json:"days"`
	// From and To are hours of the day, To not included.
	From int     `json:"from"`
	To   int     `json:"to"`
	By   float64 `json:"by"`
}

// Price is the output.
type Price struct {
	Cents    int64            `json:"cents"`
	Currency string           `json:"currency"`
	Parts    map[string]int64 `json:"parts"`
}

var days = [...]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (f Factor) holds(at time.Time) bool {
	day := len(f.Days) == 0 || slices.Contains(f.Days, days[at.Weekday()])
	return day && at.Hour() >= f.From && at.Hour() < f.To
}

func (r Rules) check() error {
	if r.CentsPerHour <= 0 || r.Currency == "" {
		return fusebox.Reject(codeRules, "the input needs a `currency` and `cents_per_hour`")
	}
	for _, factor := range r.Factors {
		if factor.Name == "" || factor.From < 0 || factor.To > 24 || factor.From >= factor.To || factor.By < 0 {
			return fusebox.Reject(codeRules, "the factor `%s` needs a name, hours `from` before `to`, and a `by` of 0 or more", factor.Name)
		}
	}
	return nil
}

func price(ctx *fusebox.Context, booking Booking) (Price, error) {
	var rules Rules
	if err := ctx.ReadInput(&rules); err != nil {
		return Price{}, err
	}
	if err := rules.check(); err != nil {
		return Price{}, err
	}
	length := booking.EndsAt.Sub(booking.StartsAt)
	if length <= 0 || length > daysMax*24*time.Hour {
		return Price{}, fusebox.Reject(codeTimes, "a booking ends after it starts, and within %d days", daysMax)
	}
	place := time.FixedZone("place", rules.OffsetMinutes*60)
	sums := map[string]float64{}
	for at := booking.StartsAt; at.Before(booking.EndsAt); at = at.Add(stepMinutes * time.Minute) {
		step := min(booking.EndsAt.Sub(at), stepMinutes*time.Minute)
		name, by := "plain", 1.0
		for _, factor := range rules.Factors {
			if factor.holds(at.In(place)) {
				name, by = factor.Name, factor.By
				break
			}
		}
		sums[name] += step.Hours() * by * float64(rules.CentsPerHour)
	}
	result := Price{Currency: rules.Currency, Parts: map[string]int64{}}
	for name, cents := range sums {
		result.Parts[name] = int64(math.Round(cents))
		result.Cents += result.Parts[name]
	}
	if result.Cents < rules.CentsMin {
		result.Parts["minimum"] = rules.CentsMin - result.Cents
		result.Cents = rules.CentsMin
	}
	fusebox.Info("priced a booking", "cents", result.Cents, "hours", length.Hours())
	return result, ctx.ChainEvent(result)
}

func init() { fusebox.Handle(price) }

func main() { fusebox.Main() }
